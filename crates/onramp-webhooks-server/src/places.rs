//! The places of connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// A number of places, one for each connection.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// `true` while a connection waits for a place.
    wanted: watch::Sender<bool>,
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    wanted: watch::Receiver<bool>,
}

impl Places {
    pub(crate) fn new(number: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(number)), wanted: watch::Sender::new(false) }
    }

    /// Waits for a place. As long as none is free, each of them [is wanted](Place::is_wanted).
    pub(crate) async fn take(&self) -> Place {
        let free = || Arc::clone(&self.free);
        let mut permit = free().try_acquire_owned().ok();
        if permit.is_none() {
            self.wanted.send_replace(true);
            // The semaphore is never closed.
            permit = free().acquire_owned().await.ok();
            self.wanted.send_replace(false);
        }
        Place { _permit: permit, wanted: self.wanted.subscribe() }
    }
}

impl Place {
    /// Waits until a connection needs a place and none is free.
    pub(crate) async fn is_wanted(&self) {
        if self.wanted.clone().wait_for(|is_wanted| *is_wanted).await.is_err() {
            std::future::pending().await
        }
    }
}

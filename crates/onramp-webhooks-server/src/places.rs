//! The places of connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::MOST_CONNECTIONS;

/// A number of places, one for each connection.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    wanted: watch::Sender<Wanted>,
}

/// The need for places.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    /// The number of connections that wait for a place.
    waiting: usize,
    /// Set while no connection can be accepted.
    cannot_accept: bool,
}

/// A connection that waits for a place, until it is dropped.
struct Waiting<'a>(&'a watch::Sender<Wanted>);

impl<'a> Waiting<'a> {
    fn begin(wanted: &'a watch::Sender<Wanted>) -> Self {
        wanted.send_modify(|wanted| wanted.waiting += 1);
        Self(wanted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|wanted| wanted.waiting = wanted.waiting.saturating_sub(1));
    }
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    wanted: watch::Receiver<Wanted>,
}

/// Returns the number of places: [`MOST_CONNECTIONS`], or half of the file descriptors that the process may open, if that is less.
pub(crate) fn most() -> usize {
    of_descriptors(descriptors())
}

fn of_descriptors(limit: Option<u64>) -> usize {
    let half = limit.map_or(MOST_CONNECTIONS, |limit| usize::try_from(limit / 2).unwrap_or(MOST_CONNECTIONS));
    half.clamp(1, MOST_CONNECTIONS)
}

/// Returns the number of file descriptors that the process may open; `None` if it is not limited or not known.
#[cfg(unix)]
fn descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
const fn descriptors() -> Option<u64> {
    None
}

impl Places {
    pub(crate) fn new(number: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(number)), wanted: watch::Sender::new(Wanted::default()) }
    }

    /// Waits for a place. As long as none is free, each of them [is wanted](Place::is_wanted).
    pub(crate) async fn take(&self) -> Place {
        let free = || Arc::clone(&self.free);
        let mut permit = free().try_acquire_owned().ok();
        if permit.is_none() {
            let _waiting = Waiting::begin(&self.wanted);
            // The semaphore is never closed.
            permit = free().acquire_owned().await.ok();
        }
        Place { _permit: permit, wanted: self.wanted.subscribe() }
    }

    /// Says whether connections should leave their places, because no other can be accepted.
    pub(crate) fn want(&self, is_wanted: bool) {
        self.wanted.send_if_modified(|wanted| std::mem::replace(&mut wanted.cannot_accept, is_wanted) != is_wanted);
    }
}

impl Place {
    /// Waits until another connection needs a place and none is free, or cannot be accepted.
    pub(crate) async fn is_wanted(&self) {
        if self.wanted.clone().wait_for(|wanted| wanted.waiting > 0 || wanted.cannot_accept).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_place_is_wanted_while_a_connection_waits_or_cannot_be_accepted() {
        let places = Places::new(1);
        let place = places.take().await;
        let is_wanted = || place.is_wanted().now_or_never().is_some();
        assert!(!is_wanted());
        let (mut one, mut other) = (Box::pin(places.take()), Box::pin(places.take()));
        assert!(one.as_mut().now_or_never().is_none() && other.as_mut().now_or_never().is_none() && is_wanted());
        drop(one);
        assert!(is_wanted());
        drop(other);
        assert!(!is_wanted());
        places.want(true);
        assert!(is_wanted());
        places.want(false);
        assert!(!is_wanted());
    }

    #[test]
    fn half_of_the_descriptors_are_left_to_others() {
        let limits = [None, Some(u64::MAX), Some(1_024), Some(256), Some(1), Some(0)];
        assert_eq!(limits.map(of_descriptors), [512, 512, 512, 128, 1, 1]);
    }
}

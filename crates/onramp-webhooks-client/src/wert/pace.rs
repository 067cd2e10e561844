//! The pace of requests to one account, which everything that uses the account shares.

use std::sync::{Arc, Mutex, PoisonError};

use onramp_webhooks::clock::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{ClientError, ClientErrorKind};

/// Lets clones of a client make one request at a time, and none while the provider wants a pause.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    turns: Arc<Semaphore>,
    pause: Arc<Mutex<Option<Pause>>>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    kind: ClientErrorKind,
    since: Timestamp,
    until: Timestamp,
}

impl Default for Pace {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(1)), pause: Arc::default() }
    }
}

impl Pace {
    /// Waits until all earlier callers have made their requests.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Returns the error of the request that the provider answered with a pause, until the pause is over. A clock that was set back ends it.
    pub(super) fn paused(&self, operation: &'static str, now: Timestamp) -> Option<ClientError> {
        let pause = (*self.pause.lock().unwrap_or_else(PoisonError::into_inner))?;
        let is_paused = pause.since <= now && now < pause.until;
        is_paused.then(|| {
            let error = ClientError::new(pause.kind, operation).with_pause(pause.until.since(now));
            error.with_detail("no request was made, because the provider wants a pause")
        })
    }

    /// Begins a pause if the provider wants one.
    pub(super) fn note(&self, error: &ClientError, now: Timestamp) {
        if let Some(pause) = error.retry_after() {
            let pause = Pause { kind: error.kind(), since: now, until: now.after(pause) };
            *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = Some(pause);
        }
    }
}

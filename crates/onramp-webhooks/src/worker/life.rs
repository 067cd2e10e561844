//! Signs of life of workers, for the health of their receiver.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::telemetry;

/// The workers of a receiver. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    alive: Mutex<Vec<Arc<Life>>>,
    died: AtomicUsize,
    /// In milliseconds since the Unix epoch. Zero means never.
    last_claim: AtomicI64,
}

/// The last sign of life of a worker, in milliseconds since the Unix epoch, and the time after which it is silent.
#[derive(Debug)]
struct Life {
    seen: AtomicI64,
    silent_after: Duration,
}

/// The workers of a receiver at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkersStatus {
    /// The time of the last claim of any worker.
    pub(crate) last_claim: Option<Timestamp>,
    /// The number of workers that show signs of life.
    pub(crate) running: usize,
    /// The number of workers that have shown none for too long.
    pub(crate) silent: usize,
    /// The number of workers that ended without a shutdown.
    pub(crate) died: usize,
}

impl Workers {
    /// Adds a worker. It dies when the returned value is dropped before its [end](Alive::ended).
    pub(super) fn begin(&self, now: Timestamp, silent_after: Duration) -> Alive {
        let life = Arc::new(Life { seen: AtomicI64::new(now.as_millis()), silent_after });
        self.alive().push(Arc::clone(&life));
        Alive { workers: self.clone(), life, ended: false }
    }

    /// Returns the status and publishes it.
    pub(crate) fn status(&self, now: Timestamp) -> WorkersStatus {
        let alive = self.alive();
        let silent = alive.iter().filter(|life| life.is_silent(now)).count();
        let (running, died) = (alive.len() - silent, self.0.died.load(Ordering::Relaxed));
        telemetry::workers(running, silent, died);
        let last_claim = self.0.last_claim.load(Ordering::Relaxed);
        WorkersStatus { last_claim: (last_claim != 0).then(|| Timestamp::from_millis(last_claim)), running, silent, died }
    }

    fn alive(&self) -> MutexGuard<'_, Vec<Arc<Life>>> {
        self.0.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    fn is_silent(&self, now: Timestamp) -> bool {
        now.since(Timestamp::from_millis(self.seen.load(Ordering::Relaxed))) > self.silent_after
    }
}

/// A worker that has not ended.
pub(super) struct Alive {
    workers: Workers,
    life: Arc<Life>,
    ended: bool,
}

impl Alive {
    /// Gives a sign of life.
    pub(super) fn seen(&self, now: Timestamp) {
        self.life.seen.store(now.as_millis(), Ordering::Relaxed);
    }

    /// Stores the time of a claim.
    pub(super) fn claimed(&self, at: Timestamp) {
        self.workers.0.last_claim.store(at.as_millis(), Ordering::Relaxed);
    }

    /// Ends the worker after its shutdown.
    pub(super) fn ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.workers.alive().retain(|life| !Arc::ptr_eq(life, &self.life));
        if !self.ended {
            self.workers.0.died.fetch_add(1, Ordering::Relaxed);
        }
        if std::thread::panicking() {
            tracing::error!("a worker died: its inbox or its clock panicked; restart the process, or start another worker");
        }
    }
}

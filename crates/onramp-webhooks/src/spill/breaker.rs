//! Circuit breaker in front of the primary inbox.

use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::telemetry;

/// A circuit breaker that is open while deliveries go to the spill.
#[derive(Debug)]
pub(super) struct Breaker(watch::Sender<Option<Open>>);

/// The time at which the breaker opened, and the error.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) since: Timestamp,
    pub(super) error: StoreError,
}

impl Breaker {
    pub(super) fn starting(open: Option<Open>) -> Self {
        telemetry::spill_open(open.is_some());
        Self(watch::Sender::new(open))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub(super) fn state(&self) -> Option<Open> {
        self.0.borrow().clone()
    }

    /// Opens the breaker, and logs it once.
    pub(super) fn open(&self, since: Timestamp, error: &StoreError) {
        let opened = self.0.send_if_modified(|state| {
            let opens = state.is_none();
            state.get_or_insert_with(|| Open { since, error: error.clone() });
            opens
        });
        if opened {
            tracing::error!(%error, "the primary inbox is unavailable; deliveries are recorded in the spill and acknowledged");
            telemetry::spill_open(true);
        }
    }

    pub(super) fn close(&self) {
        if self.0.send_replace(None).is_some() {
            tracing::info!("the primary inbox is available again and records deliveries");
            telemetry::spill_open(false);
        }
    }

    /// Stores the latest error of the primary inbox while the breaker is open.
    pub(super) fn still(&self, error: &StoreError) {
        self.0.send_if_modified(|state| {
            let open = state.as_mut().map(|open| open.error = error.clone());
            open.is_some()
        });
    }

    /// Ends a permanent error: the primary inbox responds again, and the deliveries that waited have to move to it.
    pub(super) fn responds(&self) {
        if self.state().is_some_and(|open| open.error.kind().is_permanent()) {
            let moving = StoreError::new(StoreErrorKind::Unavailable, "move deliveries to the primary inbox");
            self.still(&moving.because("not all of them have moved yet"));
        }
    }

    /// Waits until the breaker is closed.
    ///
    /// # Errors
    /// Returns a permanent error of the primary inbox.
    pub(super) async fn closed(&self) -> Result<(), StoreError> {
        let decided = |state: &Option<Open>| state.as_ref().is_none_or(|open| open.error.kind().is_permanent());
        // `self` keeps the sender alive, so waiting cannot fail.
        let state = self.0.subscribe().wait_for(decided).await.map(|state| state.clone());
        state.ok().flatten().map_or(Ok(()), |open| Err(open.error))
    }
}

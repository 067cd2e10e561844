//! State shared by requests and the mover.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, RwLock, SetOnce};

use super::breaker::Breaker;
use super::{SpillId, SpillStore};
use crate::clock::{Clock, Timestamp};
use crate::delivery::NewDelivery;
use crate::error::{StoreError, StoreErrorKind};
use crate::inbox::{Inbox, Recorded};
use crate::telemetry;
use crate::timeout::within;

#[derive(Debug)]
pub(super) struct Shared<I> {
    /// Set once the primary inbox is open.
    pub(super) primary: SetOnce<Arc<I>>,
    pub(super) spill: Arc<dyn SpillStore>,
    pub(super) patience: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) breaker: Breaker,
    /// Held for reading while a request appends to the spill, and for writing while the mover closes the breaker, so that no
    /// delivery is appended unnoticed.
    pub(super) door: RwLock<()>,
    /// The newest id that was appended here or waited at the start.
    pub(super) newest: AtomicI64,
    /// Wakes the mover.
    pub(super) wake: Notify,
}

impl<I: Inbox> Shared<I> {
    pub(super) fn primary(&self) -> Result<&Arc<I>, StoreError> {
        let away = StoreError::new(StoreErrorKind::Unavailable, "open the primary inbox");
        self.primary.get().ok_or_else(|| away.because("it could not be opened since the start"))
    }

    /// Records in the primary inbox if it answers in time, else in the spill.
    pub(super) async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let mut failed = None;
        loop {
            if failed.is_none() && !self.breaker.is_open() {
                match self.record_in_primary(delivery.clone()).await {
                    Ok(recorded) => return Ok(recorded),
                    Err(error) => failed = Some(error),
                }
            }
            let door = self.door.read().await;
            if let Some(error) = &failed {
                self.breaker.open(self.clock.now(), error);
            } else if !self.breaker.is_open() {
                // Closed while this request waited for the door: everything before it has moved, and it must not stay behind.
                continue;
            }
            match self.spill.append(delivery.clone()).await {
                Ok(id) => {
                    self.newest.fetch_max(id.as_i64(), Ordering::SeqCst);
                    telemetry::spilled();
                    self.wake.notify_one();
                    return Ok(Recorded::Spilled);
                }
                Err(error) => {
                    tracing::error!(%error, "a delivery could not be recorded in the spill");
                    self.wake.notify_one();
                    drop(door);
                    // Losing the order of events is better than losing an event.
                    return if failed.is_some() { Err(error) } else { self.record_in_primary(delivery).await.map_err(|_| error) };
                }
            }
        }
    }

    async fn record_in_primary(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let primary = self.primary()?;
        within(self.patience, "record in the primary inbox", primary.record(delivery)).await
    }

    /// Checks that a delivery could be recorded now, in the primary inbox or in the spill.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        if !self.breaker.is_open() && self.check_primary().await.is_ok() {
            return Ok(());
        }
        let spill = self.spill.check().await;
        if spill.is_err() && self.breaker.is_open() && self.check_primary().await.is_ok() {
            return Ok(());
        }
        spill
    }

    pub(super) async fn check_primary(&self) -> Result<(), StoreError> {
        let primary = self.primary()?;
        within(self.patience, "check the primary inbox", primary.check()).await
    }

    /// Counts the deliveries in the spill and publishes the number.
    pub(super) async fn count(&self) -> Result<u64, StoreError> {
        let counts = self.spill.counts().await?;
        telemetry::spill_waiting(counts.waiting);
        Ok(counts.waiting)
    }

    /// Waits until something was appended, but no longer than until `moment`.
    pub(super) async fn woken_or(&self, moment: Timestamp) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = self.clock.sleep_until(moment) => {}
        }
    }

    /// Returns whether a delivery waits that arrived here before the next one.
    pub(super) fn is_ours(&self, oldest: Option<&(SpillId, NewDelivery)>) -> bool {
        oldest.is_some_and(|(id, _)| id.as_i64() <= self.newest.load(Ordering::SeqCst))
    }

    /// Returns whether only about `few` of such deliveries wait.
    pub(super) fn is_near(&self, oldest: Option<&(SpillId, NewDelivery)>, few: usize) -> bool {
        let few = i64::try_from(few).unwrap_or(i64::MAX);
        oldest.is_none_or(|(id, _)| self.newest.load(Ordering::SeqCst).saturating_sub(id.as_i64()) < few)
    }
}

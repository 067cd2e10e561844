//! State shared by requests and the mover.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, RwLock, SetOnce};

use super::breaker::Breaker;
use super::{SpillCounts, SpillId, SpillStore};
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
    /// Held for reading while a request appends to the spill, and for writing while the mover closes the breaker, so that the mover
    /// sees every delivery that was appended.
    pub(super) door: RwLock<()>,
    /// The newest id that this process appended, or that was waiting at the start.
    pub(super) newest: AtomicI64,
    /// Wakes the mover.
    pub(super) wake: Notify,
}

impl<I: Inbox> Shared<I> {
    pub(super) fn primary(&self) -> Result<&Arc<I>, StoreError> {
        let unavailable = StoreError::new(StoreErrorKind::Unavailable, "open the primary inbox");
        self.primary.get().ok_or_else(|| unavailable.because("it has not been opened yet"))
    }

    /// Records a delivery in the primary inbox if that responds in time, and in the spill otherwise.
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
                // The breaker closed while this request waited for the door. All earlier deliveries have moved, so this one must go
                // to the primary inbox, too.
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
                    // The order of events may be lost here, which is better than losing an event.
                    return if failed.is_some() { Err(error) } else { self.record_in_primary(delivery).await.map_err(|_| error) };
                }
            }
        }
    }

    async fn record_in_primary(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let primary = self.primary()?;
        within(self.patience, "record in the primary inbox", primary.record(delivery)).await
    }

    /// Checks that a delivery could be recorded now, in the primary inbox or in the spill, and that no operator has to act on the
    /// primary inbox.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let primary = match self.breaker.state() {
            Some(open) => Err(open.error),
            None => self.check_primary().await,
        };
        match primary {
            Ok(()) => return Ok(()),
            Err(error) if error.kind().is_permanent() => return Err(error),
            Err(_) => {}
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

    /// Counts the deliveries in the spill, and publishes their number and age.
    pub(super) async fn count(&self) -> Result<SpillCounts, StoreError> {
        let counts = self.spill.counts().await?;
        telemetry::spill_waiting(counts.waiting, counts.oldest.map_or(Duration::ZERO, |oldest| self.clock.now().since(oldest)));
        Ok(counts)
    }

    /// Waits until a delivery is appended or `moment` is reached.
    pub(super) async fn woken_or(&self, moment: Timestamp) {
        tokio::select! {
            biased;
            () = self.wake.notified() => {}
            () = self.clock.sleep_until(moment) => {}
        }
    }

    /// Returns whether `oldest`, the oldest waiting delivery, was appended no later than the newest delivery of this process.
    pub(super) fn is_ours(&self, oldest: Option<&(SpillId, NewDelivery)>) -> bool {
        oldest.is_some_and(|(id, _)| id.as_i64() <= self.newest.load(Ordering::SeqCst))
    }

    /// Returns whether fewer than about `few` deliveries were appended from `oldest` to the newest delivery of this process, judged
    /// by their ids.
    pub(super) fn is_near(&self, oldest: Option<&(SpillId, NewDelivery)>, few: usize) -> bool {
        let few = i64::try_from(few).unwrap_or(i64::MAX);
        oldest.is_none_or(|(id, _)| self.newest.load(Ordering::SeqCst).saturating_sub(id.as_i64()) < few)
    }
}

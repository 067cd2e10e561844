//! What requests and the mover share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, RwLock, SetOnce};

use super::breaker::Breaker;
use super::{SpillId, SpillStore};
use crate::clock::{Clock, Timestamp};
use crate::inbox::{Inbox, NewDelivery, Recorded};
use crate::patience::within;
use crate::store_error::{StoreError, StoreErrorKind};
use crate::telemetry;

#[derive(Debug)]
pub(super) struct Shared<I> {
    /// Set once it is open.
    pub(super) first: SetOnce<Arc<I>>,
    pub(super) spill: Arc<dyn SpillStore>,
    pub(super) patience: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) breaker: Breaker,
    /// Read by whoever appends to the spill, written by the mover while it closes the breaker: nobody appends behind its back.
    pub(super) door: RwLock<()>,
    /// The last id that was appended here, or waited at the start.
    pub(super) newest: AtomicI64,
    /// Tells the mover that there is something to do.
    pub(super) wake: Notify,
}

impl<I: Inbox> Shared<I> {
    pub(super) fn first(&self) -> Result<&Arc<I>, StoreError> {
        let away = StoreError::new(StoreErrorKind::Unavailable, "open the first inbox");
        self.first.get().ok_or_else(|| away.because("it has not been there since the start"))
    }

    /// Records in the first inbox if it answers in time, else in the spill.
    pub(super) async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let mut failed = None;
        loop {
            if failed.is_none() && !self.breaker.is_open() {
                match self.ask_first(delivery.clone()).await {
                    Ok(recorded) => return Ok(recorded),
                    Err(error) => failed = Some(error),
                }
            }
            let door = self.door.read().await;
            if let Some(error) = &failed {
                self.breaker.open(self.clock.now(), error);
            } else if !self.breaker.is_open() {
                // Closed while we waited for the door: all that came before has moved, and this one must not stay behind.
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
                    tracing::error!(%error, "the spill cannot keep a delivery");
                    self.wake.notify_one();
                    drop(door);
                    // An order of events that is not kept is better than an event that is not.
                    return if failed.is_some() { Err(error) } else { self.ask_first(delivery).await.map_err(|_| error) };
                }
            }
        }
    }

    async fn ask_first(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let first = self.first()?;
        within(self.patience, "record in the first inbox", first.record(delivery)).await
    }

    /// Whether a delivery could be recorded now, in one or the other.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        if !self.breaker.is_open() && self.check_first().await.is_ok() {
            return Ok(());
        }
        let spill = self.spill.check().await;
        if spill.is_err() && self.breaker.is_open() && self.check_first().await.is_ok() {
            return Ok(());
        }
        spill
    }

    pub(super) async fn check_first(&self) -> Result<(), StoreError> {
        let first = self.first()?;
        within(self.patience, "check the first inbox", first.check()).await
    }

    /// How many wait in the spill, for the metrics, too.
    pub(super) async fn count(&self) -> Result<u64, StoreError> {
        let counts = self.spill.counts().await?;
        telemetry::spill_counts(counts.waiting, counts.set_aside);
        Ok(counts.waiting)
    }

    /// Returns when something was appended, or at `moment`.
    pub(super) async fn woken_or(&self, moment: Timestamp) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = self.clock.sleep_until(moment) => {}
        }
    }

    /// Whether something waits that came before what would be recorded now.
    pub(super) fn is_ours(&self, oldest: Option<&(SpillId, NewDelivery)>) -> bool {
        oldest.is_some_and(|(id, _)| id.as_i64() <= self.newest.load(Ordering::SeqCst))
    }

    /// Whether only about `few` of such wait.
    pub(super) fn is_near(&self, oldest: Option<&(SpillId, NewDelivery)>, few: usize) -> bool {
        let few = i64::try_from(few).unwrap_or(i64::MAX);
        oldest.is_none_or(|(id, _)| self.newest.load(Ordering::SeqCst).saturating_sub(id.as_i64()) < few)
    }
}

//! The inbox that combines a primary inbox and a spill.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::AbortHandle;

use super::breaker::Open;
use super::shared::Shared;
use super::{SpillCounts, SpillOptions, SpillStore};
use crate::clock::Timestamp;
use crate::delivery::{DeliveryId, NewDelivery};
use crate::error::StoreError;
use crate::inbox::{
    ClaimRequest, Claims, Counts, Filter, HistoryEntry, Inbox, Lease, Page, Record, Recorded, Replayed, Requeue, Restored,
    Retention, Settlement, Space, SpillStatus, TaskState, TransactionalInbox,
};

/// An [`Inbox`] of two parts: a primary inbox, and a spill that records deliveries while the primary inbox is unavailable or slow.
/// See the [module docs](super) for the guarantees.
///
/// Cheap to clone; clones share the inbox. Deliveries are moved until the last clone is dropped.
pub struct SpillInbox<I>(Arc<Inner<I>>);

struct Inner<I> {
    shared: Arc<Shared<I>>,
    mover: AbortHandle,
}

impl<I> Drop for Inner<I> {
    fn drop(&mut self) {
        self.mover.abort();
    }
}

impl<I: Inbox> SpillInbox<I> {
    /// Combines a spill with a primary inbox that is already open. If the primary inbox may be unavailable at the start, use
    /// [`opening`](Self::opening).
    ///
    /// # Errors
    /// Fails as [`SpillOptions::over`] does.
    pub async fn new(primary: I, spill: impl SpillStore) -> Result<Self, StoreError> {
        SpillOptions::new(spill).over(primary).await
    }

    /// Combines a spill with a primary inbox that is opened by `open`, now or as soon as it is available.
    ///
    /// # Errors
    /// Fails as [`SpillOptions::opening`] does.
    pub async fn opening<O, F>(open: O, spill: impl SpillStore) -> Result<Self, StoreError>
    where
        O: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<I, StoreError>> + Send + 'static,
    {
        SpillOptions::new(spill).opening(open).await
    }

    pub(super) fn of(shared: Arc<Shared<I>>, mover: AbortHandle) -> Self {
        Self(Arc::new(Inner { shared, mover }))
    }

    pub(super) fn shared(&self) -> &Shared<I> {
        &self.0.shared
    }

    /// Returns the primary inbox; `None` if it has not been opened yet.
    #[must_use]
    pub fn primary(&self) -> Option<&Arc<I>> {
        self.shared().primary.get()
    }

    /// Returns the primary inbox, or an error if it has not been opened yet.
    pub(crate) fn opened(&self) -> Result<&Arc<I>, StoreError> {
        self.shared().primary()
    }

    /// Returns the status of the spill, for operators.
    ///
    /// # Errors
    /// Returns an error if the spill cannot be read.
    pub async fn status(&self) -> Result<SpillStatus, StoreError> {
        let SpillCounts { waiting, oldest, .. } = self.shared().count().await?;
        let (open_since, error) = self.shared().breaker.state().map(|Open { since, error }| (since, error)).unzip();
        Ok(SpillStatus { waiting, oldest, open_since, error })
    }
}

#[async_trait]
impl<I: Inbox> Inbox for SpillInbox<I> {
    /// Records the delivery in the primary inbox if that responds within the patience, and in the spill otherwise.
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.shared().record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.shared().primary()?.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.shared().primary()?.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.shared().primary()?.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        self.shared().primary.wait().await.wait_for_work().await;
    }

    /// Succeeds if either part can record deliveries, so that an application that can acknowledge deliveries stays in the load
    /// balancer. Fails while the primary inbox fails [permanently](crate::StoreErrorKind::is_permanent), because deliveries would
    /// wait in the spill for ever. [`status`](SpillInbox::status) shows which part records them.
    async fn check(&self) -> Result<(), StoreError> {
        self.shared().check().await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.shared().primary()?.list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.shared().primary()?.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.shared().primary()?.counts().await
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        self.shared().primary()?.open_counts().await
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        self.shared().primary()?.resolve(now, id, note).await
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        self.shared().primary()?.reopen(now, id).await
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.shared().primary()?.history(id).await
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        self.shared().primary()?.revealed(now, id, operator).await
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        self.shared().primary()?.restore(deliveries).await
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        self.shared().primary()?.requeue(request).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.shared().primary()?.prune(now, retention).await
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        self.shared().primary()?.forget(id).await
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        self.shared().primary()?.task_state(task).await
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        self.shared().primary()?.set_task_state(state).await
    }

    async fn spill_status(&self) -> Result<Option<SpillStatus>, StoreError> {
        self.status().await.map(Some)
    }

    async fn space(&self) -> Result<Option<Space>, StoreError> {
        self.shared().primary()?.space().await
    }
}

/// Uses the transactions of the primary inbox.
#[async_trait]
impl<I: TransactionalInbox> TransactionalInbox for SpillInbox<I> {
    type Transaction = I::Transaction;
    type Open = I::Open;

    async fn begin(&self, limit: Duration) -> Result<I::Open, StoreError> {
        self.shared().primary()?.begin(limit).await
    }

    async fn complete(&self, transaction: I::Open, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        self.shared().primary()?.complete(transaction, now, lease).await
    }

    async fn roll_back(&self, transaction: I::Open) -> Result<(), StoreError> {
        self.shared().primary()?.roll_back(transaction).await
    }
}

impl<I> Clone for SpillInbox<I> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I: Inbox> fmt::Debug for SpillInbox<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared();
        f.debug_struct("SpillInbox")
            .field("primary", &shared.primary.get())
            .field("spill", &shared.spill)
            .field("open", &shared.breaker.is_open())
            .finish_non_exhaustive()
    }
}

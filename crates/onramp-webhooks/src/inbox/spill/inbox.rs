//! The inbox made of two.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::AbortHandle;

use super::breaker::Open;
use super::shared::Shared;
use super::{SetAside, SpillOptions, SpillStore};
use crate::clock::Timestamp;
use crate::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, Inbox, Lease, NewDelivery, Record, Recorded, Replayed, Retention,
    Settlement, State, TransactionalInbox,
};
use crate::store_error::StoreError;

/// An [`Inbox`] made of two: a first one, and a spill that keeps deliveries while the first is away or slow. See the
/// [module](super) for what is promised. Cheap to clone; clones are the same inbox, and the last one ends the moving.
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
    /// A spill in front of a first inbox that is open already; an application that has to start in the middle of an outage, too, takes
    /// [`opening`](Self::opening).
    ///
    /// # Errors
    /// As [`SpillOptions::over`].
    pub async fn new(first: I, spill: impl SpillStore) -> Result<Self, StoreError> {
        SpillOptions::new(spill).over(first).await
    }

    /// A spill in front of a first inbox that `open` opens: now, or as soon as it can be.
    ///
    /// # Errors
    /// As [`SpillOptions::opening`].
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

    /// The first inbox; `None` while it has not been opened since the start.
    #[must_use]
    pub fn first(&self) -> Option<&Arc<I>> {
        self.shared().first.get()
    }

    /// How things stand, for those who operate it.
    ///
    /// # Errors
    /// When the spill cannot be read.
    pub async fn status(&self) -> Result<SpillStatus, StoreError> {
        let counts = self.shared().spill.counts().await?;
        let (open_since, error) = self.shared().breaker.state().map(|Open { since, error }| (since, error)).unzip();
        Ok(SpillStatus { waiting: counts.waiting, set_aside: counts.set_aside, open_since, error })
    }

    /// The first `limit` deliveries that the first inbox refused again and again while it took others, the oldest first. They stay in the
    /// spill until somebody calls [`retry_set_aside`](Self::retry_set_aside).
    ///
    /// # Errors
    /// When the spill cannot be read.
    pub async fn set_aside(&self, limit: usize) -> Result<Vec<SetAside>, StoreError> {
        self.shared().spill.aside(limit).await
    }

    /// Offers the first inbox all that is set aside once more, and answers how many that are.
    ///
    /// # Errors
    /// When the spill cannot be written.
    pub async fn retry_set_aside(&self) -> Result<u64, StoreError> {
        let back = self.shared().spill.put_back().await?;
        self.shared().wake.notify_one();
        Ok(back)
    }
}

/// How things stand between a first inbox and its spill.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpillStatus {
    /// Deliveries that wait in the spill, of all processes that share it.
    pub waiting: u64,
    /// Deliveries that the first inbox did not take, and a person has to look at.
    pub set_aside: u64,
    /// Since when deliveries go to the spill; `None`: they go to the first inbox.
    pub open_since: Option<Timestamp>,
    /// Why they do, or why they still do.
    pub error: Option<StoreError>,
}

#[async_trait]
impl<I: Inbox> Inbox for SpillInbox<I> {
    /// In the first inbox within the patience, else in the spill.
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.shared().record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.shared().first()?.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.shared().first()?.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.shared().first()?.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        self.shared().first.wait().await.wait_for_work().await;
    }

    /// `Ok` while one of the two takes deliveries: an application that can acknowledge stays in the load balancer.
    /// [`status`](SpillInbox::status) tells which one.
    async fn check(&self) -> Result<(), StoreError> {
        self.shared().check().await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
        self.shared().first()?.list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.shared().first()?.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.shared().first()?.counts().await
    }

    async fn rearm(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        self.shared().first()?.rearm(id, seen, reread).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.shared().first()?.prune(now, retention).await
    }
}

/// A handler's transaction is the first inbox's.
#[async_trait]
impl<I: TransactionalInbox> TransactionalInbox for SpillInbox<I> {
    type Transaction = I::Transaction;
    type Open = I::Open;

    async fn begin(&self, limit: Duration) -> Result<I::Open, StoreError> {
        self.shared().first()?.begin(limit).await
    }

    async fn complete(&self, transaction: I::Open, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        self.shared().first()?.complete(transaction, now, lease).await
    }

    async fn roll_back(&self, transaction: I::Open) -> Result<(), StoreError> {
        self.shared().first()?.roll_back(transaction).await
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
            .field("first", &shared.first.get())
            .field("spill", &shared.spill)
            .field("open", &shared.breaker.is_open())
            .finish_non_exhaustive()
    }
}

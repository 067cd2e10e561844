//! Doubles of inboxes.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, HistoryEntry, Inbox, Lease, NewDelivery, Page, Record, Recorded, Replayed,
    Requeue, Restored, Retention, Settlement, Space, SpillStatus, TaskState, TransactionalInbox,
};

use super::Double;

double! {
    /// The double of an inbox. Calls that it does not implement are passed to [`inner`](Self::inner).
    InboxDouble of Inbox,
    /// The calls of an inbox.
    InboxCall
    {
        Record: record(delivery: NewDelivery) -> Recorded;
        Claim: claim(now: Timestamp, request: ClaimRequest) -> Claims;
        Renew: renew(leases: Vec<Lease>, until: Timestamp) -> Vec<Lease>;
        Settle: settle(now: Timestamp, settlements: Vec<Settlement>) -> Vec<Lease>;
        Check: check() -> ();
        List: list(filter: Filter) -> Page;
        Show: show(id: DeliveryId) -> Option<Record>;
        Counts: counts() -> Counts;
        OpenCounts: open_counts() -> Counts;
        Resolve: resolve(now: Timestamp, id: DeliveryId, note: &str) -> ();
        Reopen: reopen(now: Timestamp, id: DeliveryId) -> ();
        History: history(id: DeliveryId) -> Vec<HistoryEntry>;
        Revealed: revealed(now: Timestamp, id: DeliveryId, operator: &str) -> ();
        Requeue: requeue(request: Requeue) -> Replayed;
        Restore: restore(deliveries: Vec<Record>) -> Vec<Restored>;
        Prune: prune(now: Timestamp, retention: Retention) -> u64;
        Forget: forget(id: DeliveryId) -> ();
        TaskState: task_state(task: &str) -> TaskState;
        SetTaskState: set_task_state(state: TaskState) -> bool;
        SpillStatus: spill_status() -> Option<SpillStatus>;
        Space: space() -> Option<Space>;
    }
    waits { Wait: wait_for_work; }
    else {
        /// A call of [`begin`](TransactionalInbox::begin), which a double reports itself.
        Begin,
        /// A call of [`complete`](TransactionalInbox::complete), which a double reports itself.
        Complete,
        /// A call of [`roll_back`](TransactionalInbox::roll_back), which a double reports itself.
        RollBack,
    }
}

/// The double of an inbox that has transactions, with the methods of [`TransactionalInbox`].
#[async_trait]
pub trait TransactionalDouble: InboxDouble {
    /// The transaction that a handler gets.
    type Transaction: Send + 'static;

    /// An open transaction.
    type Open: AsMut<Self::Transaction> + Send + 'static;

    /// Begins a transaction, as [`TransactionalInbox::begin`] does.
    ///
    /// # Errors
    /// Returns an error if no transaction can be opened.
    async fn begin(&self, limit: Duration) -> Result<Self::Open, StoreError>;

    /// Completes a delivery in a transaction, as [`TransactionalInbox::complete`] does.
    ///
    /// # Errors
    /// Returns an error if the transaction cannot be committed.
    async fn complete(&self, transaction: Self::Open, now: Timestamp, lease: Lease) -> Result<bool, StoreError>;

    /// Rolls back a transaction, as [`TransactionalInbox::roll_back`] does.
    ///
    /// # Errors
    /// Returns an error if the transaction is not open.
    async fn roll_back(&self, transaction: Self::Open) -> Result<(), StoreError>;
}

#[async_trait]
impl<D: TransactionalDouble> TransactionalInbox for Double<D> {
    type Transaction = D::Transaction;
    type Open = D::Open;

    async fn begin(&self, limit: Duration) -> Result<Self::Open, StoreError> {
        self.0.begin(limit).await
    }

    async fn complete(&self, transaction: Self::Open, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        self.0.complete(transaction, now, lease).await
    }

    async fn roll_back(&self, transaction: Self::Open) -> Result<(), StoreError> {
        self.0.roll_back(transaction).await
    }
}

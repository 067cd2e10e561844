//! A store with threads of its own, in virtual time: each call blocks until its answer has come, as if it took no time.
//!
//! Otherwise the answer would come at any moment of the virtual time, which runs on while all tasks wait.

use async_trait::async_trait;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, HistoryEntry, Inbox, Lease, NewDelivery, Page, Record, Recorded, Replayed,
    Requeue, Restored, Retention, Settlement, TaskState,
};
use tokio::task::coop::unconstrained;

#[derive(Debug)]
pub(crate) struct Blocking<I>(pub(crate) I);

/// Runs a call to its end. Without a limit of polls, because this loop does not return to the runtime.
pub(crate) fn block<T>(call: impl Future<Output = T>) -> T {
    pollster::block_on(unconstrained(call))
}

#[async_trait]
impl<I: Inbox> Inbox for Blocking<I> {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        block(self.0.record(delivery))
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        block(self.0.claim(now, request))
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        block(self.0.renew(leases, until))
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        block(self.0.settle(now, settlements))
    }

    async fn check(&self) -> Result<(), StoreError> {
        block(self.0.check())
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        block(self.0.list(filter))
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        block(self.0.show(id))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        block(self.0.counts())
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        block(self.0.open_counts())
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        block(self.0.resolve(now, id, note))
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        block(self.0.reopen(now, id))
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        block(self.0.history(id))
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        block(self.0.revealed(now, id, operator))
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        block(self.0.requeue(request))
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        block(self.0.restore(deliveries))
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        block(self.0.prune(now, retention))
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        block(self.0.forget(id))
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        block(self.0.task_state(task))
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        block(self.0.set_task_state(state))
    }

    /// Never returns: each process wakes its own worker.
    async fn wait_for_work(&self) {
        std::future::pending().await
    }
}

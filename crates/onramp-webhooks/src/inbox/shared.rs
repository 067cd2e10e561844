//! Shared inboxes.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    ClaimRequest, Claims, Counts, Filter, HistoryEntry, Inbox, Lease, Page, Record, Recorded, Replayed, Requeue, Restored,
    Retention, Settlement, Space, SpillStatus, TaskState,
};
use crate::clock::Timestamp;
use crate::delivery::{DeliveryId, NewDelivery};
use crate::error::StoreError;

#[async_trait]
impl<I: Inbox + ?Sized> Inbox for Arc<I> {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        (**self).record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        (**self).claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        (**self).renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        (**self).settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        (**self).wait_for_work().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        (**self).check().await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        (**self).list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        (**self).show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        (**self).counts().await
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        (**self).open_counts().await
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        (**self).resolve(now, id, note).await
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        (**self).reopen(now, id).await
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        (**self).history(id).await
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        (**self).revealed(now, id, operator).await
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        (**self).restore(deliveries).await
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        (**self).requeue(request).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        (**self).prune(now, retention).await
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        (**self).forget(id).await
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        (**self).task_state(task).await
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        (**self).set_task_state(state).await
    }

    async fn spill_status(&self) -> Result<Option<SpillStatus>, StoreError> {
        (**self).spill_status().await
    }

    async fn space(&self) -> Result<Option<Space>, StoreError> {
        (**self).space().await
    }
}

use std::time::Duration;

use onramp_webhooks::async_trait;
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks::store::*;
use tokio::sync::Mutex;

/// An inbox beside a ledger. A handler's writes to the ledger are committed with the completion of its delivery.
#[derive(Debug, Default)]
pub struct LedgerInbox {
    deliveries: MemoryInbox,
    ledger: Mutex<Vec<String>>,
}

/// The writes of one handler, kept back until they are committed.
#[derive(Debug, Default)]
pub struct LedgerTransaction {
    writes: Vec<String>,
}

impl LedgerInbox {
    pub async fn lines(&self) -> Vec<String> {
        self.ledger.lock().await.clone()
    }
}

impl LedgerTransaction {
    pub fn write(&mut self, line: impl Into<String>) {
        self.writes.push(line.into());
    }
}

impl AsMut<Self> for LedgerTransaction {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

#[async_trait]
impl TransactionalInbox for LedgerInbox {
    type Transaction = LedgerTransaction;
    type Open = LedgerTransaction;

    async fn begin(&self, _limit: Duration) -> Result<LedgerTransaction, StoreError> {
        Ok(LedgerTransaction::default())
    }

    async fn complete(&self, transaction: LedgerTransaction, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        // Readers of the ledger wait for both writes.
        let mut ledger = self.ledger.lock().await;
        let lost = self.deliveries.settle(now, vec![Settlement::new(lease, Settled::Handled)]).await?;
        if lost.is_empty() {
            ledger.extend(transaction.writes);
        }
        Ok(lost.is_empty())
    }

    async fn roll_back(&self, transaction: LedgerTransaction) -> Result<(), StoreError> {
        drop(transaction);
        Ok(())
    }
}

#[async_trait]
impl Inbox for LedgerInbox {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.deliveries.record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.deliveries.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.deliveries.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.deliveries.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        self.deliveries.wait_for_work().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.deliveries.check().await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.deliveries.list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.deliveries.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.deliveries.counts().await
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        self.deliveries.open_counts().await
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        self.deliveries.resolve(now, id, note).await
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        self.deliveries.reopen(now, id).await
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.deliveries.history(id).await
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        self.deliveries.revealed(now, id, operator).await
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        self.deliveries.restore(deliveries).await
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        self.deliveries.requeue(request).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.deliveries.prune(now, retention).await
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        self.deliveries.forget(id).await
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        self.deliveries.task_state(task).await
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        self.deliveries.set_task_state(state).await
    }
}

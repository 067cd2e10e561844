//! Transactions of the faulty inbox: a handler's writes are committed with the completion of its delivery.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Inbox, Lease, Settled, Settlement};
use onramp_webhooks::{StoreError, async_trait};
use onramp_webhooks_testkit::doubles::{InboxDouble, TransactionalDouble};

use crate::faulty::{FaultyInbox, InboxCall};

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    committed: Mutex<Vec<DeliveryId>>,
    open: AtomicUsize,
}

impl Ledger {
    pub(crate) fn committed(&self) -> Vec<DeliveryId> {
        self.committed.lock().unwrap().clone()
    }

    /// Returns the number of open transactions.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Transaction {
    ledger: Arc<Ledger>,
    written: Vec<DeliveryId>,
}

impl Transaction {
    pub(crate) fn write(&mut self, row: DeliveryId) {
        self.written.push(row);
    }
}

impl AsMut<Self> for Transaction {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.ledger.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl TransactionalDouble for FaultyInbox {
    type Transaction = Transaction;
    type Open = Transaction;

    async fn begin(&self, _: Duration) -> Result<Transaction, StoreError> {
        self.before(InboxCall::Begin).await?;
        self.ledger.open.fetch_add(1, Ordering::SeqCst);
        Ok(Transaction { ledger: Arc::clone(&self.ledger), written: Vec::new() })
    }

    async fn complete(&self, mut open: Transaction, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        self.before(InboxCall::Complete).await?;
        let lost = self.inner.settle(now, vec![Settlement::new(lease, Settled::Handled)]).await?;
        if lost.is_empty() {
            self.ledger.committed.lock().unwrap().append(&mut open.written);
        }
        self.after(InboxCall::Complete).await?;
        Ok(lost.is_empty())
    }

    async fn roll_back(&self, _: Transaction) -> Result<(), StoreError> {
        self.before(InboxCall::RollBack).await
    }
}

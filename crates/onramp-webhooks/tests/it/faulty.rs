//! An inbox that can be made to fail, and to hang.

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, Inbox, Lease, MemoryInbox, NewDelivery, Record, Recorded, Replayed,
    Retention, Settlement, State,
};
use onramp_webhooks::{StoreError, StoreErrorKind};

use crate::ledger::Ledger;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Record,
    Check,
    Claim,
    Renew,
    Settle,
    Prune,
    Wait,
    Begin,
    Complete,
    RollBack,
    List,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Errors(usize),
    Hangs,
    /// It happens, and the answer comes so much later.
    Late(Duration),
    /// It happens, and the answer is lost.
    Unanswered,
}

/// A memory inbox behind a bad line. Clones are the same inbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty {
    pub(crate) inner: Arc<MemoryInbox>,
    pub(crate) ledger: Arc<Ledger>,
    calls: Arc<Mutex<HashMap<Op, usize>>>,
    faults: Arc<Mutex<HashMap<Op, Fault>>>,
    poison: Arc<Mutex<Option<String>>>,
    lists: Arc<AtomicUsize>,
}

impl Faulty {
    /// The next `times` calls of `op` fail, and nothing happens.
    pub(crate) fn errors(&self, op: Op, times: usize) {
        self.faults.lock().unwrap().insert(op, Fault::Errors(times));
    }

    /// Calls of `op` never return, and nothing happens.
    pub(crate) fn hangs(&self, op: Op) {
        self.faults.lock().unwrap().insert(op, Fault::Hangs);
    }

    /// Calls of `op` happen, and answer so much later.
    pub(crate) fn is_late(&self, op: Op, late: Duration) {
        self.faults.lock().unwrap().insert(op, Fault::Late(late));
    }

    /// Calls of `op` happen, and fail for those who call.
    pub(crate) fn loses_answers(&self, op: Op) {
        self.faults.lock().unwrap().insert(op, Fault::Unanswered);
    }

    /// How often `op` was called.
    pub(crate) fn calls(&self, op: Op) -> usize {
        self.calls.lock().unwrap().get(&op).copied().unwrap_or_default()
    }

    /// Every call fails, and nothing happens.
    pub(crate) fn is_away(&self) {
        for op in [Op::Record, Op::Check, Op::Claim, Op::Renew, Op::Settle, Op::Prune] {
            self.errors(op, usize::MAX);
        }
    }

    /// No call ever returns, and nothing happens.
    pub(crate) fn is_silent(&self) {
        for op in [Op::Record, Op::Check, Op::Claim, Op::Renew, Op::Settle, Op::Prune] {
            self.hangs(op);
        }
    }

    /// Deliveries of this type cannot be recorded.
    pub(crate) fn refuses(&self, event_type: Option<&str>) {
        *self.poison.lock().unwrap() = event_type.map(str::to_owned);
    }

    /// How often it was asked for a list.
    pub(crate) fn lists(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }

    pub(crate) fn recovers(&self) {
        self.faults.lock().unwrap().clear();
    }

    pub(crate) async fn answer(&self, op: Op) -> Result<(), StoreError> {
        let fault = self.faults.lock().unwrap().get(&op).copied();
        match fault {
            Some(Fault::Late(late)) => tokio::time::sleep(late).await,
            Some(Fault::Unanswered) => return Err(StoreError::new(StoreErrorKind::Unavailable, "test")),
            _ => {}
        }
        Ok(())
    }

    pub(crate) async fn pass(&self, op: Op) -> Result<(), StoreError> {
        *self.calls.lock().unwrap().entry(op).or_default() += 1;
        let fault = self.faults.lock().unwrap().get(&op).copied();
        match fault {
            None | Some(Fault::Errors(0) | Fault::Late(_) | Fault::Unanswered) => Ok(()),
            Some(Fault::Errors(times)) => {
                self.errors(op, times - 1);
                Err(StoreError::new(StoreErrorKind::Unavailable, "test"))
            }
            Some(Fault::Hangs) => pending().await,
        }
    }
}

#[async_trait]
impl Inbox for Faulty {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.pass(Op::Record).await?;
        if delivery.event_type.is_some() && delivery.event_type == *self.poison.lock().unwrap() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "test").because("a rule of the application"));
        }
        let recorded = self.inner.record(delivery).await;
        self.answer(Op::Record).await?;
        recorded
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.pass(Op::Claim).await?;
        self.inner.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.pass(Op::Renew).await?;
        self.inner.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.pass(Op::Settle).await?;
        self.inner.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        if self.pass(Op::Wait).await.is_ok() {
            self.inner.wait_for_work().await;
        }
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.pass(Op::Check).await?;
        self.answer(Op::Check).await?;
        self.inner.check().await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        self.pass(Op::List).await?;
        self.inner.list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.inner.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.inner.counts().await
    }

    async fn rearm(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        self.inner.rearm(id, seen, reread).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.pass(Op::Prune).await?;
        self.inner.prune(now, retention).await
    }
}

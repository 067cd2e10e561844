//! An inbox that can be made to fail and to hang.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::async_trait;
use onramp_webhooks::inbox::{Inbox, MemoryInbox, NewDelivery, Recorded};
use onramp_webhooks::{StoreError, StoreErrorKind};
pub(crate) use onramp_webhooks_testkit::doubles::InboxCall;
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};

use crate::ledger::Ledger;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Errors(usize),
    /// It fails with this kind, and nothing happens.
    Fails(StoreErrorKind),
    Hangs,
    Panics,
    /// It happens, and the answer comes so much later.
    Late(Duration),
    /// It happens, and the answer is lost.
    Unanswered,
}

/// A memory inbox behind an unreliable connection. Clones are the same inbox.
pub(crate) type Faulty = Double<FaultyInbox>;

#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyInbox {
    pub(crate) inner: Arc<MemoryInbox>,
    pub(crate) ledger: Arc<Ledger>,
    calls: Arc<Mutex<HashMap<InboxCall, usize>>>,
    faults: Arc<Mutex<HashMap<InboxCall, Fault>>>,
    poison: Arc<Mutex<Option<String>>>,
}

impl FaultyInbox {
    /// The next `times` calls of `call` fail, and nothing happens.
    pub(crate) fn errors(&self, call: InboxCall, times: usize) {
        self.faults.lock().unwrap().insert(call, Fault::Errors(times));
    }

    /// Calls that write fail with an error of `kind`, and nothing happens.
    pub(crate) fn fails(&self, kind: StoreErrorKind) {
        for call in [InboxCall::Record, InboxCall::Check, InboxCall::Claim, InboxCall::Renew, InboxCall::Settle, InboxCall::Prune]
        {
            self.faults.lock().unwrap().insert(call, Fault::Fails(kind));
        }
    }

    /// Calls of `call` never return, and nothing happens.
    pub(crate) fn hangs(&self, call: InboxCall) {
        self.faults.lock().unwrap().insert(call, Fault::Hangs);
    }

    /// Calls of `call` panic, and nothing happens.
    pub(crate) fn panics(&self, call: InboxCall) {
        self.faults.lock().unwrap().insert(call, Fault::Panics);
    }

    /// Calls of `call` happen, and answer so much later.
    pub(crate) fn is_late(&self, call: InboxCall, late: Duration) {
        self.faults.lock().unwrap().insert(call, Fault::Late(late));
    }

    /// Calls of `call` happen, and fail for those who call.
    pub(crate) fn loses_answers(&self, call: InboxCall) {
        self.faults.lock().unwrap().insert(call, Fault::Unanswered);
    }

    /// Returns the number of calls of `call`.
    pub(crate) fn calls(&self, call: InboxCall) -> usize {
        self.calls.lock().unwrap().get(&call).copied().unwrap_or_default()
    }

    /// Every call fails, and nothing happens.
    pub(crate) fn is_away(&self) {
        for call in [InboxCall::Record, InboxCall::Check, InboxCall::Claim, InboxCall::Renew, InboxCall::Settle, InboxCall::Prune]
        {
            self.errors(call, usize::MAX);
        }
    }

    /// No call ever returns, and nothing happens.
    pub(crate) fn is_silent(&self) {
        for call in [InboxCall::Record, InboxCall::Check, InboxCall::Claim, InboxCall::Renew, InboxCall::Settle, InboxCall::Prune]
        {
            self.hangs(call);
        }
    }

    /// Deliveries of this type cannot be recorded.
    pub(crate) fn refuses(&self, event_type: Option<&str>) {
        *self.poison.lock().unwrap() = event_type.map(str::to_owned);
    }

    pub(crate) fn recovers(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn fault(&self, call: InboxCall) -> Option<Fault> {
        self.faults.lock().unwrap().get(&call).copied()
    }
}

#[async_trait]
impl InboxDouble for FaultyInbox {
    fn inner(&self) -> &dyn Inbox {
        &self.inner
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        *self.calls.lock().unwrap().entry(call).or_default() += 1;
        match self.fault(call) {
            None | Some(Fault::Errors(0) | Fault::Late(_) | Fault::Unanswered) => Ok(()),
            Some(Fault::Errors(times)) => {
                self.errors(call, times - 1);
                Err(StoreError::new(StoreErrorKind::Unavailable, "test"))
            }
            Some(Fault::Fails(kind)) => Err(StoreError::new(kind, "test")),
            Some(Fault::Hangs) => pending().await,
            Some(Fault::Panics) => panic!("the store's own bug"),
        }
    }

    async fn after(&self, call: InboxCall) -> Result<(), StoreError> {
        match self.fault(call) {
            Some(Fault::Late(late)) => tokio::time::sleep(late).await,
            Some(Fault::Unanswered) => return Err(StoreError::new(StoreErrorKind::Unavailable, "test")),
            _ => {}
        }
        Ok(())
    }

    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.before(InboxCall::Record).await?;
        if delivery.event_type.is_some() && delivery.event_type == *self.poison.lock().unwrap() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "test").because("a rule of the application"));
        }
        let recorded = self.inner.record(delivery).await;
        self.after(InboxCall::Record).await?;
        recorded
    }
}

//! Claims that are made with a settlement.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, Claims, Inbox, Lease, MemoryInbox, Settlement};
use onramp_webhooks::{Receiver, StoreError, StoreErrorKind, Wert, async_trait};
use onramp_webhooks_testkit::doubles::{Double, InboxCall, InboxDouble};
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, Working, end};

/// An inbox that settles and claims in one step, and notes its calls.
#[derive(Clone, Debug)]
struct Noting {
    inner: Arc<MemoryInbox>,
    calls: Arc<Mutex<Vec<String>>>,
    fails: Arc<AtomicBool>,
}

impl Noting {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

#[async_trait]
impl InboxDouble for Noting {
    fn inner(&self) -> &dyn Inbox {
        &*self.inner
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        if call == InboxCall::Settle {
            self.note("settle".into());
        }
        Ok(())
    }

    async fn settle_and_claim(
        &self,
        now: Timestamp,
        settlements: Vec<Settlement>,
        request: ClaimRequest,
    ) -> Result<(Vec<Lease>, Option<Claims>), StoreError> {
        if self.fails.swap(false, Ordering::SeqCst) {
            self.note("fails".into());
            return Err(StoreError::new(StoreErrorKind::Unavailable, "test"));
        }
        let held: usize = request.held.values().sum();
        self.note(format!("settles {}, claims {} beside {held}", settlements.len(), request.limit));
        self.inner.settle_and_claim(now, settlements, request).await
    }
}

/// Posts three events of one order, and starts a worker for them.
async fn start(harness: &Harness) -> (Working, Noting) {
    let order = WertOrder::new();
    for body in [order.payment_started(), order.transfer_started(), order.complete()] {
        harness.post(body).await;
    }
    let inner = Arc::clone(&harness.inbox.inner);
    let noting = Noting { inner, calls: Arc::default(), fails: Arc::default() };
    let receiver = Receiver::builder(Double(noting.clone())).endpoint(Wert::without_path_secret());
    let receiver = receiver.clock(Arc::new(harness.clock.clone())).build().unwrap();
    (Working::of(|asking| receiver.worker(asking)), noting)
}

#[tokio::test(start_paused = true)]
async fn the_next_event_of_an_order_is_claimed_with_the_settlement_of_the_last() {
    let harness = Harness::new();
    let (mut working, noting) = start(&harness).await;
    for _ in 0..3 {
        let call = working.call().await;
        working.rests().await;
        call.answer(Do::Handle);
    }
    working.rests().await;
    assert_eq!(*noting.calls.lock().unwrap(), ["settles 1, claims 1 beside 0"; 3]);
    end(working.worker).await;
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_failed_is_tried_again_without_a_claim() {
    let harness = Harness::new();
    let (mut working, noting) = start(&harness).await;
    noting.fails.store(true, Ordering::SeqCst);
    working.call().await.answer(Do::Handle);
    working.rests().await;
    harness.pass(1);
    working.call().await.answer(Do::Handle);
    working.call().await.answer(Do::Handle);
    working.rests().await;
    let both = "settles 1, claims 1 beside 0";
    assert_eq!(*noting.calls.lock().unwrap(), ["fails", "settle", both, both]);
    end(working.worker).await;
}

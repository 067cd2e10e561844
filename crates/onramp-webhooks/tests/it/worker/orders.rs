//! Concurrency, and never two deliveries of one order.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::inbox::State;
use onramp_webhooks::{Delivery, Handler, HandlerError, async_trait};
use onramp_webhooks_testkit::events::{WertOrder, order_id};

use super::harness::{Do, Harness, Remembering, end, rest};

#[tokio::test(start_paused = true)]
async fn no_more_handlers_run_than_allowed() {
    let harness = Harness::new();
    harness.post_logins(50).await;
    let mut working = harness.worker(|worker| worker.concurrency(4).batch(20));
    let mut calls = Vec::new();
    for _ in 0..4 {
        calls.push(working.call().await);
    }
    let mut seen = BTreeSet::new();
    for _ in 4..50 {
        working.rests().await;
        assert_eq!(working.running(), 4, "as many as allowed, and no more");
        let call: super::harness::Call = calls.swap_remove(0);
        assert!(seen.insert(call.id));
        call.answer(Do::Handle);
        calls.push(working.call().await);
    }
    for call in calls {
        assert!(seen.insert(call.id));
        call.answer(Do::Handle);
    }
    working.rests().await;
    assert_eq!((seen.len(), working.running()), (50, 0));
    assert_eq!(harness.states().await, [(State::Handled, 50)].into());
}

#[tokio::test(start_paused = true)]
async fn as_many_handlers_run_as_allowed_however_little_is_claimed_at_once() {
    for batch in 1..=3 {
        let harness = Harness::new();
        harness.post_logins(50).await;
        let mut working = harness.worker(|worker| worker.concurrency(8).batch(batch));
        for _ in 0..8 {
            working.call().await.answer(Do::Hang);
        }
        working.rests().await;
        assert_eq!(working.running(), 8);
    }
}

/// Notes the orders of which two events were handled at the same time.
#[derive(Clone, Default)]
struct OneOfEach {
    busy: Arc<Mutex<HashSet<String>>>,
    overlaps: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Handler for OneOfEach {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let order = delivery.key().unwrap().subject().to_owned();
        if !self.busy.lock().unwrap().insert(order.clone()) {
            self.overlaps.lock().unwrap().push(order.clone());
        }
        tokio::time::sleep(Duration::from_millis(delivery.id().as_i64().unsigned_abs() % 7)).await;
        self.busy.lock().unwrap().remove(&order);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn one_order_is_never_handled_at_the_same_time() {
    let harness = Harness::new();
    let orders: Vec<_> = (0..20).map(|_| WertOrder::new()).collect();
    for order in &orders {
        harness.post(order.payment_started()).await;
    }
    let handler = OneOfEach::default();
    let workers = [3, 16].map(|concurrency| harness.receiver.worker(handler.clone()).concurrency(concurrency).batch(8).spawn());
    for order in &orders {
        for body in [order.transfer_started(), order.complete(), order.failed(), order.event("order_canceled")] {
            harness.post(body).await;
        }
        rest().await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(harness.states().await, [(State::Handled, 100)].into());
    for worker in workers {
        end(worker).await;
    }
    assert!(handler.overlaps.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_received_of_an_order_goes_first() {
    let harness = Harness::new();
    let order = WertOrder::new();
    for body in [order.payment_started(), order.transfer_started(), order.complete()] {
        harness.post(body).await;
    }
    let mut working = harness.worker(|worker| worker);
    for expected in ["payment_started", "transfer_started", "order_complete"] {
        let call = working.call().await;
        assert_eq!((call.event_type.as_str(), call.stale), (expected, false));
        working.rests().await;
        call.answer(Do::Handle);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_holds_nobody_back_and_says_later_that_it_is_stale() {
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post(order.payment_started()).await;
    harness.post(order.transfer_started()).await;
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::NotYet(Duration::from_secs(500)));
    working.call().await.answer(Do::NotYet(Duration::from_secs(400)));
    working.rests().await;
    harness.post(order.complete()).await;
    let call = working.call().await;
    assert_eq!((call.event_type.as_str(), call.stale), ("order_complete", false));
    call.answer(Do::Handle);
    working.rests().await;
    for (event_type, seconds) in [("transfer_started", 400), ("payment_started", 100)] {
        harness.pass(seconds);
        let call = working.call().await;
        assert_eq!((call.event_type.as_str(), call.stale, call.attempt), (event_type, true, 1));
        call.answer(Do::Handle);
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_order_holds_no_other_back() {
    let harness = Harness::new();
    let order = WertOrder::new();
    for number in 0..300 {
        harness.post(order.clone().with("number", number).failed()).await;
    }
    harness.post(WertOrder::new().with("id", order_id()).complete()).await;
    assert_eq!(harness.states().await, [(State::Pending, 301)].into());
    let mut working = harness.worker(|worker| worker.batch(8).concurrency(2));
    let held = working.call().await;
    assert_eq!(held.event_type, "order_failed");
    let other = working.call().await;
    assert_eq!(other.event_type, "order_complete");
    other.answer(Do::Handle);
    held.answer(Do::Handle);
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_the_work() {
    let harness = Harness::new();
    let handler = Remembering::default();
    let workers: Vec<_> = (0..2).map(|_| harness.receiver.worker(handler.clone()).batch(8).spawn()).collect();
    for _ in 0..10 {
        for _ in 0..30 {
            harness.post(WertOrder::new().complete()).await;
        }
        rest().await;
    }
    rest().await;
    assert_eq!(harness.states().await, [(State::Handled, 300)].into());
    assert_eq!(handler.seen().len(), 300);
    assert!(handler.seen().values().all(|times| *times == 1));
    for worker in workers {
        end(worker).await;
    }
}

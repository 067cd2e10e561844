//! The worker with transactions of the store.

use std::time::Duration;

use onramp_webhooks::Delivery;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{DeadCause, DeliveryId, NewDelivery, Record, State};
use onramp_webhooks::worker::{RetryPolicy, WorkerBuilder};

use super::Store;
use super::ledger::{Plan, Script, Shop};
use crate::events::WertOrder;
use crate::inbox;
use crate::suite::Fixture;
use crate::tools::{at, soon};

const OFTEN: Duration = Duration::from_millis(5);

fn purchase() -> NewDelivery {
    NewDelivery::new("wert", "wert", at(0), WertOrder::new().complete())
}

/// Builds a worker that polls and retries quickly.
fn worker(shop: &Fixture<dyn Shop>, script: Script) -> WorkerBuilder {
    shop.worker(script).poll(OFTEN).retry(RetryPolicy::new(3, OFTEN, OFTEN))
}

/// Waits until a delivery is settled.
async fn end_of(inbox: &inbox::Fixture, id: DeliveryId) -> Record {
    loop {
        let record = inbox.see(id).await;
        if matches!(record.state, State::Handled | State::Dead) {
            return record;
        }
        tokio::time::sleep(OFTEN).await;
    }
}

/// Handles all deliveries with several workers, and returns the sum of the credits.
async fn handled(shop: &Fixture<dyn Shop>, workers: usize, script: Script, all: u64) -> i64 {
    let inbox = inbox::Fixture::of(shop.inbox());
    let workers: Vec<_> = (0..workers).map(|_| worker(shop, script).spawn()).collect();
    let all_handled = async {
        while inbox.counts().await.unwrap().of(State::Handled) < all {
            tokio::time::sleep(OFTEN).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_handled).await.expect("all are handled");
    for worker in workers {
        worker.shutdown().await;
    }
    shop.total().await
}

pub(super) async fn many_at_once_are_each_committed_once(store: &Store) {
    let shop = store.open().await;
    let inbox = inbox::Fixture::of(shop.inbox());
    for _ in 0..100 {
        inbox.new_id(purchase()).await;
    }
    assert_eq!(handled(&shop, 2, |_| Plan::Credit, 100).await, 100 * 100);
}

pub(super) async fn events_of_one_order_never_run_at_the_same_time(store: &Store) {
    let shop = store.open().await;
    let inbox = inbox::Fixture::of(shop.inbox());
    for order in [(); 10].map(|()| WertOrder::new()) {
        for (event_type, stage) in [
            ("payment_started", OrderStage::STARTED),
            ("transfer_started", OrderStage::STARTED),
            ("order_complete", OrderStage::FINAL),
        ] {
            let mut event = NewDelivery::new("wert", "wert", at(0), order.event(event_type));
            event.event_type = Some(event_type.into());
            event.key = Some(DedupKey::from_parts(format!("wert/order/{}", order.id().unwrap()), event_type.into()));
            event.stage = Some(stage);
            inbox.new_id(event).await;
        }
    }
    assert_eq!(handled(&shop, 3, |_| Plan::CreditSlowly, 30).await, 30 * 100);
    assert_eq!(shop.at_the_same_time(), 1);
}

async fn fails_once(store: &Store, script: Script) {
    let shop = store.open().await;
    let inbox = inbox::Fixture::of(shop.inbox());
    let id = inbox.new_id(purchase()).await;
    let worker = worker(&shop, script).attempt_timeout(Duration::from_millis(600)).spawn();
    let record = soon("the end", end_of(&inbox, id)).await;
    worker.shutdown().await;
    assert_eq!((record.state, record.attempts, shop.total().await), (State::Handled, 2, 100));
}

fn is_first(delivery: &Delivery) -> bool {
    delivery.attempt() == 1
}

pub(super) async fn an_error_rolls_both_back_and_is_tried_again(store: &Store) {
    fails_once(store, |delivery| if is_first(delivery) { Plan::CreditAndFail } else { Plan::Credit }).await;
}

pub(super) async fn a_panic_rolls_both_back_and_is_tried_again(store: &Store) {
    fails_once(store, |delivery| if is_first(delivery) { Plan::CreditAndPanic } else { Plan::Credit }).await;
}

pub(super) async fn a_timeout_rolls_both_back_and_is_tried_again(store: &Store) {
    fails_once(store, |delivery| if is_first(delivery) { Plan::CreditAndHang } else { Plan::Credit }).await;
}

async fn is_dead_at_once(store: &Store, script: Script) {
    let shop = store.open().await;
    let inbox = inbox::Fixture::of(shop.inbox());
    let id = inbox.new_id(purchase()).await;
    let worker = worker(&shop, script).spawn();
    let record = soon("the end", end_of(&inbox, id)).await;
    worker.shutdown().await;
    assert_eq!((record.state, record.attempts, record.cause), (State::Dead, 1, Some(DeadCause::TransactionEnded)));
    assert!(record.note.as_deref().is_some_and(|note| note.contains("ended the transaction")), "{:?}", record.note);
}

pub(super) async fn an_own_commit_is_a_dead_letter_at_once(store: &Store) {
    is_dead_at_once(store, |_| Plan::End).await;
}

pub(super) async fn an_own_commit_before_an_error_is_a_dead_letter_at_once(store: &Store) {
    is_dead_at_once(store, |_| Plan::EndAndFail).await;
}

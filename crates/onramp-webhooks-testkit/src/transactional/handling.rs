//! The worker over the store.

use std::time::Duration;

use onramp_webhooks::inbox::{DeliveryId, NewDelivery, Record, State};
use onramp_webhooks::worker::{RetryPolicy, WorkerBuilder};
use onramp_webhooks::{Delivery, Provider};

use super::Store;
use super::ledger::{Plan, Script, Shop};
use crate::events::WertOrder;
use crate::inbox;
use crate::suite::Fixture;
use crate::tools::{at, soon};

const OFTEN: Duration = Duration::from_millis(5);

fn purchase() -> NewDelivery {
    NewDelivery::new("wert", Provider::Wert, at(0), WertOrder::new().complete())
}

/// A worker that looks and tries again quickly.
fn worker(shop: &Fixture<dyn Shop>, script: Script) -> WorkerBuilder {
    shop.worker(script).poll(OFTEN).retry(RetryPolicy::new(3, OFTEN, OFTEN))
}

/// What became of a delivery.
async fn end_of(inbox: &inbox::Fixture, id: DeliveryId) -> Record {
    loop {
        let record = inbox.see(id).await;
        if matches!(record.state, State::Handled | State::Dead) {
            return record;
        }
        tokio::time::sleep(OFTEN).await;
    }
}

pub(super) async fn many_at_once_are_each_committed_once(store: &Store) {
    let shop = store.open().await;
    let inbox = inbox::Fixture::of(shop.inbox());
    let workers = [(); 2].map(|()| worker(&shop, |_| Plan::Credit).spawn());
    for _ in 0..100 {
        inbox.new_id(purchase()).await;
    }
    let all = async {
        while inbox.counts().await.unwrap().of(State::Handled) < 100 {
            tokio::time::sleep(OFTEN).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("all are handled");
    for worker in workers {
        worker.shutdown().await;
    }
    assert_eq!(shop.total().await, 100 * 100);
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
    assert_eq!((record.state, record.attempts), (State::Dead, 1));
    assert!(record.note.as_deref().is_some_and(|note| note.contains("ended the transaction")), "{:?}", record.note);
}

pub(super) async fn an_own_commit_is_a_dead_letter_at_once(store: &Store) {
    is_dead_at_once(store, |_| Plan::End).await;
}

pub(super) async fn an_own_commit_before_an_error_is_a_dead_letter_at_once(store: &Store) {
    is_dead_at_once(store, |_| Plan::EndAndFail).await;
}

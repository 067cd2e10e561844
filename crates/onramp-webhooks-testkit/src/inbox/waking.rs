//! Wake-ups of waiting workers.

use std::future::Future;

use onramp_webhooks::inbox::{Recorded, Replayed, Settled};

use super::tools::{complete, soon, unreadable, used_up};
use super::{Fixture, Store};

pub(super) async fn a_new_delivery_wakes(store: &Store) {
    let inbox = quiet(store).await;
    wakes(&inbox, async { assert!(matches!(inbox.tell(complete("A")).await, Recorded::New(_))) }).await;
}

pub(super) async fn what_was_recorded_before_wakes(store: &Store) {
    let inbox = quiet(store).await;
    inbox.new_id(complete("A")).await;
    soon("waking", inbox.wait_for_work()).await;
}

pub(super) async fn the_end_of_a_lease_wakes(store: &Store) {
    let inbox = quiet(store).await;
    for outcome in [Settled::Released, Settled::Handled] {
        inbox.tell(complete("A")).await;
        let lease = inbox.one_due(0).await.lease;
        drain(&inbox).await;
        wakes(&inbox, async { assert!(inbox.end(0, lease, outcome).await) }).await;
    }
}

pub(super) async fn a_replay_wakes(store: &Store) {
    let inbox = quiet(store).await;
    let id = inbox.new_id(unreadable("{}")).await;
    drain(&inbox).await;
    wakes(&inbox, async { assert_eq!(inbox.requeue_any(id, None).await.unwrap(), Replayed::Due) }).await;
}

pub(super) async fn a_duplicate_that_requeues_wakes(store: &Store) {
    let inbox = quiet(store).await;
    inbox.led_to(0, complete("A"), used_up()).await;
    drain(&inbox).await;
    wakes(&inbox, async { assert!(matches!(inbox.tell(complete("A")).await, Recorded::Duplicate { requeued: true, .. })) }).await;
}

async fn quiet(store: &Store) -> Fixture {
    let inbox = store.open().await;
    drain(&inbox).await;
    inbox
}

/// Consumes a stored wake-up, so that the next one is new.
async fn drain(inbox: &Fixture) {
    inbox.new_id(unreadable(format!("drain {}", inbox.everything().await.len()))).await;
    soon("waking", inbox.wait_for_work()).await;
}

/// Asserts that `happens` wakes a waiting call.
async fn wakes(inbox: &Fixture, happens: impl Future<Output = ()>) {
    let waits = inbox.clone();
    let woken = tokio::spawn(async move { waits.wait_for_work().await });
    tokio::task::yield_now().await;
    happens.await;
    soon("waking", woken).await.unwrap();
}

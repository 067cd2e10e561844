//! Pruning of deliveries that were handled long ago.

use std::time::Duration;

use onramp_webhooks::inbox::{Recorded, Retention, Settled, State};

use super::tools::{at, complete, described, keyless, login, received, started};
use super::{Fixture, Store};
use crate::tools::prune_all;

const HOUR: i64 = 3_600;

pub(super) async fn bodies_go_and_keys_stay(store: &Store) {
    let inbox = store.open().await;
    let old = inbox.led_to(1, complete("A"), Settled::Handled).await;
    let young = inbox.led_to(2, complete("B"), Settled::Handled).await;
    assert_eq!(prune(&inbox, HOUR + 1).await, 0, "exactly as old as the retention");
    assert_eq!(prune(&inbox, HOUR + 2).await, 1);
    let record = inbox.see(old).await;
    assert_eq!((record.state, record.body, record.key), (State::Handled, None, complete("A").key));
    assert!(inbox.see(young).await.body.is_some());
    assert_eq!(inbox.tell(received(complete("A"), 2 * HOUR)).await, Recorded::Duplicate { first: old, requeued: false });
    inbox.new_id(received(started("A"), 2 * HOUR)).await;
    assert!(inbox.one_due(2 * HOUR).await.stale, "the handled delivery is still known");
    assert_eq!(prune(&inbox, HOUR + 2).await, 0);
}

pub(super) async fn what_has_no_key_any_more_goes_whole(store: &Store) {
    let inbox = store.open().await;
    let expired = inbox.led_to(0, login("C", 100), Settled::Handled).await;
    let counts_still = inbox.led_to(0, login("D", 3 * HOUR), Settled::Handled).await;
    let never_had = inbox.led_to(0, keyless(), Settled::Handled).await;
    inbox.led_to(0, login("E", 50), Settled::Handled).await;
    let taken_over = inbox.new_id(received(login("E", 5 * HOUR), 50)).await;
    assert_eq!(prune(&inbox, 2 * HOUR).await, 4);
    assert!(inbox.is_gone(expired).await && inbox.is_gone(never_had).await);
    assert_eq!(inbox.see(counts_still).await.body, None);
    let left: Vec<_> = inbox.everything().await.iter().map(|record| record.id).collect();
    assert_eq!(left, [taken_over, counts_still]);
    inbox.new_id(received(login("C", 4 * HOUR), 2 * HOUR)).await;
    assert_eq!(prune(&inbox, 2 * HOUR).await, 0);
}

pub(super) async fn nothing_else_is_touched(store: &Store) {
    let inbox = store.open().await;
    let all = inbox.one_of_each().await;
    let mut before = Vec::new();
    for id in all {
        before.push(inbox.see(id).await);
    }
    assert_eq!(prune(&inbox, 1_000 * HOUR).await, 1);
    for before in before {
        let after = inbox.see(before.id).await;
        if before.state == State::Handled {
            assert!(after.body.is_none());
        } else {
            assert_eq!(described(&after), described(&before));
        }
    }
    assert_eq!(prune(&inbox, 1_000 * HOUR).await, 0);
}

pub(super) async fn the_newest_id_stays_taken(store: &Store) {
    let inbox = store.open().await;
    let newest = inbox.led_to(0, keyless(), Settled::Handled).await;
    assert_eq!(prune(&inbox, 2 * HOUR).await, 1);
    assert_eq!(prune(&inbox, 2 * HOUR).await, 0);
    assert!(inbox.new_id(keyless()).await > newest);
}

pub(super) async fn many_go_in_rounds(store: &Store) {
    let inbox = store.open().await;
    for number in 0..30 {
        inbox.led_to(0, complete(&format!("{number}")), Settled::Handled).await;
        inbox.led_to(0, keyless(), Settled::Handled).await;
    }
    let retention = Retention::new(Duration::from_secs(HOUR.unsigned_abs()));
    assert_eq!(prune_all(|| inbox.prune(at(2 * HOUR), retention)).await, 60);
    assert!(inbox.everything().await.iter().all(|record| record.body.is_none() && record.key.is_some()));
}

/// Prunes deliveries that were handled more than an hour before second `seconds`.
async fn prune(inbox: &Fixture, seconds: i64) -> u64 {
    inbox.prune(at(seconds), Retention::new(Duration::from_secs(HOUR.unsigned_abs()))).await.unwrap()
}

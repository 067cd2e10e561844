//! Pruning of old deliveries.

use std::time::Duration;

use onramp_webhooks::inbox::{Recorded, Retention, Settled, State};

use super::tools::{at, complete, dead, described, keyless, login, received, started, used_up};
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
    assert_eq!(prune(&inbox, 2 * HOUR).await, 3);
    assert!(inbox.is_gone(expired).await && inbox.is_gone(never_had).await);
    assert!(inbox.see(counts_still).await.body.is_some(), "it goes whole when its key has expired, and not before");
    let left: Vec<_> = inbox.everything().await.iter().map(|record| record.id).collect();
    assert_eq!(left, [taken_over, counts_still]);
    inbox.new_id(received(login("C", 4 * HOUR), 2 * HOUR)).await;
    assert_eq!((prune(&inbox, 2 * HOUR).await, prune(&inbox, 3 * HOUR).await), (0, 1));
    assert!(inbox.is_gone(counts_still).await);
}

pub(super) async fn each_state_has_its_retention(store: &Store) {
    let inbox = store.open().await;
    let [_, _, _, _, handled, dead, quarantined, kept] = inbox.one_of_each().await;
    let retention = Retention::default()
        .handled(Duration::from_secs(4_000))
        .quarantined(Duration::from_secs(5_000))
        .dead(Duration::from_secs(6_000))
        .conflict(Duration::from_secs(7_000));
    for (seconds, old) in [(4_001, handled), (5_001, quarantined), (6_001, dead), (7_001, kept)] {
        assert_eq!(inbox.prune(at(seconds - 1), retention).await.unwrap(), 0, "{seconds}");
        assert_eq!(inbox.prune(at(seconds), retention).await.unwrap(), 1, "{seconds}");
        let left = inbox.show(old).await.unwrap();
        assert!(left.is_none_or(|record| record.body.is_none() && record.note.is_none()), "{old}");
    }
    assert!(inbox.is_gone(quarantined).await, "its key is only its content");
    assert_eq!((inbox.state(dead).await, inbox.state(kept).await), (State::Dead, State::Conflict));
}

pub(super) async fn a_dead_letter_is_as_old_as_its_settlement(store: &Store) {
    let inbox = store.open().await;
    inbox.led_to(HOUR, received(complete("A"), 0), dead()).await;
    let retention = Retention::default().dead(Duration::from_secs(HOUR.unsigned_abs()));
    assert_eq!(inbox.prune(at(2 * HOUR), retention).await.unwrap(), 0);
    assert_eq!(inbox.prune(at(2 * HOUR + 1), retention).await.unwrap(), 1);
}

pub(super) async fn a_dead_letter_without_a_body_is_not_requeued(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.led_to(0, complete("A"), used_up()).await;
    let retention = Retention::default().dead(Duration::from_secs(HOUR.unsigned_abs()));
    assert_eq!(inbox.prune(at(HOUR + 1), retention).await.unwrap(), 1);
    assert_eq!(inbox.tell(received(complete("A"), 2 * HOUR)).await, Recorded::Duplicate { first, requeued: false });
    assert_eq!((inbox.state(first).await, inbox.due(2 * HOUR).await.len()), (State::Dead, 0));
}

pub(super) async fn what_waits_is_never_old(store: &Store) {
    let inbox = store.open().await;
    let all = inbox.one_of_each().await;
    let waits = &all[..4];
    let mut before = Vec::new();
    for id in waits {
        before.push(described(&inbox.see(*id).await));
    }
    let zero = Duration::ZERO;
    let retention = Retention::default().handled(zero).dead(zero).conflict(zero).quarantined(zero);
    assert_eq!(prune_all(|| inbox.prune(at(1_000_000 * HOUR), retention)).await, 4);
    for (id, before) in waits.iter().zip(before) {
        assert_eq!(described(&inbox.see(*id).await), before);
    }
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
    assert_eq!(prune_all(|| inbox.prune(at(2 * HOUR), an_hour())).await, 60);
    assert!(inbox.everything().await.iter().all(|record| record.body.is_none() && record.key.is_some()));
}

/// A store need not know its space.
pub(super) async fn a_known_space_grows_by_the_bodies(store: &Store) {
    const SIZE: usize = 50_000;
    let inbox = store.open().await;
    let Some(before) = inbox.space().await.unwrap() else { return };
    // A sequence of numbers that no store can compress (xorshift).
    let mut state = 88_172_645_463_325_252_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    for _ in 0..20 {
        let mut delivery = received(keyless(), 0);
        delivery.body = (0..SIZE).map(|_| byte()).collect();
        inbox.new_id(delivery).await;
    }
    let after = inbox.space().await.unwrap().unwrap();
    assert!(after.bodies >= before.bodies + 20 * SIZE as u64, "{before:?}, {after:?}");
    assert!(after.other < after.bodies, "{before:?}, {after:?}");
}

/// Prunes deliveries that were handled more than an hour before second `seconds`.
async fn prune(inbox: &Fixture, seconds: i64) -> u64 {
    inbox.prune(at(seconds), an_hour()).await.unwrap()
}

fn an_hour() -> Retention {
    Retention::default().handled(Duration::from_secs(HOUR.unsigned_abs()))
}

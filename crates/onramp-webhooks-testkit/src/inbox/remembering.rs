//! Histories: what happened to a delivery, for operators.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, HistoryEntry, Recorded, Settled};

use super::tools::{at, complete, keyless, parked, received, retry, saying, started, unreadable, used_up};
use super::{Fixture, Store};

/// The entries of a delivery, each with its number, the seconds of its first and last time, and its text.
async fn told(inbox: &Fixture, id: DeliveryId) -> Vec<String> {
    let line = |entry: HistoryEntry| {
        let seconds = |time: Timestamp| (time.as_millis() - at(0).as_millis()) / 1_000;
        let cause = entry.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        let text = entry.text.map(|text| format!(": {text}")).unwrap_or_default();
        format!("{}{cause} {} at {}..{}{text}", entry.kind, entry.times, seconds(entry.first_at), seconds(entry.last_at))
    };
    inbox.history(id).await.unwrap().into_iter().map(line).collect()
}

/// Claims the only due delivery at a second, and ends its lease with `outcome`.
async fn attempt(inbox: &Fixture, second: i64, outcome: Settled) {
    let claimed = inbox.one_due(second).await;
    assert!(inbox.end(second, claimed.lease, outcome).await);
}

pub(super) async fn a_success_at_the_first_attempt_is_no_entry(store: &Store) {
    let inbox = store.open().await;
    let handled = inbox.led_to(0, complete("A"), Settled::Handled).await;
    let released = inbox.led_to(0, complete("B"), Settled::Released).await;
    for id in [handled, released, inbox.new_id(unreadable("{}")).await, DeliveryId::from_i64(1_000)] {
        assert!(told(&inbox, id).await.is_empty());
    }
}

pub(super) async fn what_happened_is_remembered_in_its_sequence(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    attempt(&inbox, 1, retry(5)).await;
    attempt(&inbox, 5, parked(10)).await;
    attempt(&inbox, 10, used_up()).await;
    inbox.tell(received(complete("A"), 11)).await;
    assert_eq!(inbox.due(12).await.len(), 1);
    let claimed = inbox.one_due(50).await;
    assert!(inbox.end(50, claimed.lease, Settled::Handled).await);
    inbox.tell(received(complete("A"), 51)).await;
    let expected = [
        "failed 1 at 1..1: out of order",
        "parked 1 at 5..5: no such customer yet",
        "dead (attempts used up) 1 at 10..10: refused for good",
        "duplicate 1 at 11..11",
        "requeued 1 at 11..11",
        "lease lost 1 at 50..50",
        "duplicate 1 at 51..51",
    ];
    assert_eq!(told(&inbox, id).await, expected);
    assert_eq!(told(&inbox, inbox.new_id(started("A")).await).await, [""; 0], "each delivery has its own");
}

pub(super) async fn what_operators_do_is_remembered(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), used_up()).await;
    inbox.revealed(at(1), id, "Ada").await.unwrap();
    inbox.resolve(at(2), id, "credited by hand").await.unwrap();
    inbox.reopen(at(3), id).await.unwrap();
    inbox.reopen(at(4), id).await.unwrap();
    inbox.requeue_any(id, None).await.unwrap();
    let expected =
        ["revealed 1 at 1..1: Ada", "resolved 1 at 2..2: credited by hand", "reopened 1 at 3..3", "replayed 1 at 1000..1000"];
    assert_eq!(told(&inbox, id).await[1..], expected);
    let nothing = DeliveryId::from_i64(1_000);
    assert_eq!(inbox.revealed(at(1), nothing, "Ada").await.unwrap_err().kind(), StoreErrorKind::NotFound);
    inbox.resolve(at(5), nothing, "").await.unwrap_err();
    assert!(told(&inbox, nothing).await.is_empty());
}

pub(super) async fn repetitions_are_one_entry(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    for second in [1, 5, 9] {
        attempt(&inbox, second, retry(second + 4)).await;
    }
    attempt(&inbox, 13, Settled::Retry { at: at(20), error: "another".into() }).await;
    attempt(&inbox, 20, Settled::Dead { cause: DeadCause::RefusedByHandler, error: "no".into() }).await;
    for second in [30, 31] {
        inbox.tell(received(complete("A"), second)).await;
    }
    let expected = [
        "failed 3 at 1..9: out of order",
        "failed 1 at 13..13: another",
        "dead (refused by the handler) 1 at 20..20: no",
        "duplicate 2 at 30..31",
    ];
    assert_eq!(told(&inbox, id).await, expected);
}

pub(super) async fn of_many_entries_the_newest_stay(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    for second in 0..70 {
        attempt(&inbox, second, Settled::Retry { at: at(second + 1), error: format!("error {second}") }).await;
    }
    let told = told(&inbox, id).await;
    assert_eq!((told.len(), &*told[0], &*told[63]), (64, "failed 1 at 6..6: error 6", "failed 1 at 69..69: error 69"));
}

pub(super) async fn a_lost_lease_adds_nothing(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let late = inbox.one_due(0).await;
    let claimed = inbox.one_due(100).await;
    assert!(!inbox.end(101, late.lease, retry(200)).await);
    assert_eq!(told(&inbox, id).await, ["lease lost 1 at 100..100"]);
    assert!(inbox.end(102, claimed.lease, Settled::Handled).await);
}

pub(super) async fn texts_are_removed_with_the_body(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(1, complete("A"), used_up()).await;
    inbox.resolve(at(2), id, "Ada called").await.unwrap();
    inbox.forget(id).await.unwrap();
    assert_eq!(told(&inbox, id).await, ["dead (attempts used up) 1 at 1..1", "resolved 1 at 2..2"]);
    let whole = inbox.led_to(1, keyless(), used_up()).await;
    inbox.forget(whole).await.unwrap();
    assert!(told(&inbox, whole).await.is_empty());
}

pub(super) async fn long_texts_are_cut(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    attempt(&inbox, 1, Settled::Retry { at: at(2), error: "ö\0".repeat(5_000) }).await;
    let text = inbox.history(id).await.unwrap().remove(0).text.unwrap();
    assert_eq!(text, "ö\0".repeat(500));
    assert_eq!(inbox.see(id).await.note, Some("ö\0".repeat(5_000)), "the last error is whole");
}

pub(super) async fn a_reread_duplicate_is_remembered_at_the_first(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.led_to(0, complete("A"), Settled::Handled).await;
    let id = inbox.new_id(unreadable("{}")).await;
    inbox.requeue_any(id, Some(complete("A"))).await.unwrap();
    assert_eq!(told(&inbox, first).await, ["duplicate 1 at 0..0"]);
    let kept = inbox.tell(saying(complete("A"), "other")).await;
    assert_eq!(inbox.tell(saying(complete("A"), "other")).await, kept);
    let Recorded::Conflict { kept, .. } = kept else { panic!("{kept:?}") };
    assert_eq!(told(&inbox, kept).await, ["duplicate 1 at 0..0"]);
}

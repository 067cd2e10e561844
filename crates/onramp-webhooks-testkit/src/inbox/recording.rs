//! Recording: new deliveries, duplicates and conflicts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, NewDelivery, Recorded, Retention, Settled, State, conflict_note};
use tokio::sync::Barrier;

use super::tools::{
    at, complete, dead, dead_of, ids, keyless, login, noise, order_event, paying, received, retry, saying, started, synthetic,
    unreadable, used_up,
};
use super::{Fixture, Store};

pub(super) async fn a_first_delivery_is_new_and_pending(store: &Store) {
    let inbox = store.open().await;
    let mut new = received(started("A"), 7);
    new.key_expires_at = Some(at(99));
    let record = inbox.see(inbox.new_id(new.clone()).await).await;
    assert_eq!(record.state, State::Pending);
    assert_eq!((&*record.endpoint, record.provider), (&*new.endpoint, new.provider));
    assert_eq!((record.event_type, record.key, record.stage), (new.event_type, new.key, new.stage));
    assert_eq!((record.fingerprint, record.received_at), (new.fingerprint, at(7)));
    assert_eq!((record.due_at, record.settled_at, record.note), (None, None, None));
    assert_eq!((record.attempts, record.duplicates), (0, 0));
    assert_eq!(record.body, Some(new.body));
}

pub(super) async fn the_same_again_is_a_duplicate(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(complete("A")).await;
    for times in 1..=2 {
        assert_eq!(inbox.tell(received(complete("A"), times)).await, Recorded::Duplicate { first, requeued: false });
    }
    let record = inbox.see(first).await;
    assert_eq!((record.state, record.duplicates, record.received_at), (State::Pending, 2, at(0)));
    assert_eq!(inbox.everything().await.len(), 1);
    assert_eq!(inbox.one_due(3).await.duplicates, 2);
}

pub(super) async fn another_body_is_a_conflict_and_the_first_stands(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(complete("A")).await;
    let other = received(saying(complete("A"), "another amount"), 5);
    let kept = conflict(inbox.tell(other.clone()).await, first);
    let record = inbox.see(kept).await;
    assert_eq!((record.state, record.note), (State::Conflict, Some(conflict_note(first))));
    assert_eq!(record.key, Some(complete("A").key.unwrap().conflicting(&other.fingerprint)));
    assert_eq!((record.fingerprint, record.received_at), (other.fingerprint, at(5)));
    assert_eq!((record.event_type, record.stage), (other.event_type, other.stage));
    assert_eq!((record.body, record.due_at), (Some(other.body), None));

    let record = inbox.see(first).await;
    assert_eq!((record.state, record.duplicates), (State::Pending, 0));
    let claimed = inbox.one_due(5).await;
    assert_eq!((claimed.lease.id, claimed.body), (first, complete("A").body), "only the first is handled");
}

pub(super) async fn a_conflicting_body_is_kept_once(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(complete("A")).await;
    let kept = conflict(inbox.tell(saying(complete("A"), "another")).await, first);
    assert_eq!(conflict(inbox.tell(saying(complete("A"), "another")).await, first), kept);
    let third = conflict(inbox.tell(saying(complete("A"), "a third")).await, first);
    assert_ne!(third, kept);
    assert_eq!((inbox.see(kept).await.duplicates, inbox.see(third).await.duplicates), (1, 0));
    assert_eq!(inbox.see(first).await.duplicates, 0);
    assert_eq!(inbox.everything().await.len(), 3);
}

pub(super) async fn a_conflict_leaves_a_handled_first_alone(store: &Store) {
    let inbox = store.open().await;
    for (order, outcome, state) in [("A", Settled::Handled, State::Handled), ("B", dead(), State::Dead)] {
        let first = inbox.led_to(1, complete(order), outcome).await;
        conflict(inbox.tell(saying(complete(order), "another")).await, first);
        let record = inbox.see(first).await;
        assert_eq!((record.state, record.duplicates, record.attempts), (state, 0, 1));
        assert!(inbox.due(2).await.is_empty());
    }
}

pub(super) async fn an_expired_key_is_new_again(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(login("C", 10)).await;
    let mut last_moment = login("C", 20);
    last_moment.received_at = at(10).before(Duration::from_millis(1));
    assert_eq!(inbox.tell(last_moment).await, Recorded::Duplicate { first, requeued: false });
    let second = inbox.new_id(received(login("C", 20), 10)).await;
    assert_eq!(inbox.tell(received(login("C", 30), 19)).await, Recorded::Duplicate { first: second, requeued: false });
    assert_eq!((inbox.see(first).await.duplicates, inbox.see(second).await.duplicates), (1, 1));
    assert_eq!(inbox.see(second).await.key, login("C", 20).key);
    assert_eq!(ids(&inbox.due(20).await), [first, second], "both are handled");
}

pub(super) async fn a_key_without_end_counts_for_ever(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.led_to(0, complete("A"), Settled::Handled).await;
    let later = received(complete("A"), 1_000_000_000);
    assert_eq!(inbox.tell(later).await, Recorded::Duplicate { first, requeued: false });
}

pub(super) async fn without_a_key_nothing_is_a_duplicate(store: &Store) {
    let inbox = store.open().await;
    let all = [inbox.new_id(keyless()).await, inbox.new_id(keyless()).await, inbox.new_id(keyless()).await];
    assert_eq!(ids(&inbox.due(0).await), all);
}

pub(super) async fn both_halves_make_the_key(store: &Store) {
    let inbox = store.open().await;
    for (subject, discriminator) in [("wert/order/A", "B"), ("wert/order/A/B", ""), ("wert/order/A", ""), ("wert/order/", "A/B")]
    {
        let mut new = complete("A");
        new.key = Some(DedupKey::from_parts(subject.into(), discriminator.into()));
        inbox.new_id(new).await;
    }
    inbox.new_id(started("A")).await;
    let mut sandbox = complete("A");
    sandbox.endpoint = "sandbox".into();
    sandbox.key = Some(DedupKey::from_parts("sandbox/order/A".into(), "order_complete".into()));
    inbox.new_id(sandbox).await;
}

pub(super) async fn a_duplicate_requeues_a_failed_first(store: &Store) {
    requeued_by_a_duplicate(store, retry(1_000)).await;
}

pub(super) async fn a_duplicate_requeues_a_dead_first(store: &Store) {
    requeued_by_a_duplicate(store, used_up()).await;
}

pub(super) async fn a_duplicate_requeues_no_first_that_was_refused(store: &Store) {
    for cause in DeadCause::ALL.into_iter().filter(|cause| *cause != DeadCause::AttemptsUsedUp) {
        let inbox = store.open().await;
        let first = inbox.led_to(1, complete("A"), dead_of(cause)).await;
        assert_eq!(inbox.tell(received(complete("A"), 3)).await, Recorded::Duplicate { first, requeued: false }, "{cause}");
        let record = inbox.see(first).await;
        assert_eq!((record.state, record.cause, record.duplicates), (State::Dead, Some(cause), 1));
        assert!(inbox.due(4).await.is_empty(), "{cause}");
    }
}

async fn requeued_by_a_duplicate(store: &Store, outcome: Settled) {
    let inbox = store.open().await;
    let first = inbox.led_to(1, complete("A"), outcome).await;
    assert!(inbox.due(2).await.is_empty());
    assert_eq!(inbox.tell(received(complete("A"), 3)).await, Recorded::Duplicate { first, requeued: true });
    let record = inbox.see(first).await;
    assert_eq!((record.state, record.attempts, record.duplicates), (State::Pending, 0, 1));
    assert_eq!((record.due_at, record.settled_at), (None, None));
    let claimed = inbox.one_due(3).await;
    assert_eq!((claimed.lease.id, claimed.attempt, claimed.duplicates), (first, 1, 1));
}

pub(super) async fn a_duplicate_of_any_other_first_only_counts(store: &Store) {
    let inbox = store.open().await;
    let [pending, leased, _, parked, handled, _, quarantined, kept] = inbox.one_of_each().await;
    let again = [
        (complete("pending"), pending),
        (complete("leased"), leased),
        (complete("parked"), parked),
        (complete("handled"), handled),
        (unreadable("{}"), quarantined),
    ];
    for (new, first) in again {
        let before = inbox.see(first).await;
        assert_eq!(inbox.tell(received(new, 20)).await, Recorded::Duplicate { first, requeued: false });
        let after = inbox.see(first).await;
        assert_eq!(after.duplicates, 1);
        assert_eq!((after.state, after.due_at, after.settled_at), (before.state, before.due_at, before.settled_at));
        assert_eq!((after.attempts, after.note), (before.attempts, before.note));
    }
    assert_eq!(conflict(inbox.tell(saying(complete("handled"), "another")).await, handled), kept);
    assert_eq!((inbox.see(kept).await.state, inbox.see(kept).await.duplicates), (State::Conflict, 1));
    assert_eq!(ids(&inbox.due(20).await), [pending]);
}

pub(super) async fn a_duplicate_leaves_a_leased_first_to_its_worker(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(complete("A")).await;
    let claimed = inbox.one_due(0).await;
    inbox.tell(complete("A")).await;
    assert!(inbox.due(1).await.is_empty());
    assert!(inbox.end(1, claimed.lease, Settled::Handled).await);
    assert_eq!(inbox.state(first).await, State::Handled);
}

pub(super) async fn a_synthetic_one_that_comes_second_only_counts(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(complete("A")).await;
    for _ in 0..2 {
        assert_eq!(inbox.tell(synthetic(complete("A"))).await, Recorded::Duplicate { first, requeued: false });
    }
    let record = inbox.see(first).await;
    assert_eq!((record.is_synthetic(), record.fingerprint, record.duplicates), (false, complete("A").fingerprint, 2));
    assert_eq!(record.body, Some(complete("A").body));
    let claimed = inbox.one_due(0).await;
    assert_eq!((claimed.fingerprint, claimed.body), (complete("A").fingerprint, complete("A").body));
}

pub(super) async fn a_real_one_that_comes_second_only_counts(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(synthetic(complete("A"))).await;
    assert!(inbox.see(first).await.is_synthetic() && inbox.everything().await[0].is_synthetic());
    assert!(inbox.one_due(0).await.fingerprint.is_synthetic());
    for again in [synthetic(complete("A")), received(complete("A"), 3)] {
        assert_eq!(inbox.tell(again).await, Recorded::Duplicate { first, requeued: false });
    }
    let record = inbox.see(first).await;
    assert_eq!((record.state, record.duplicates, record.received_at), (State::Leased, 2, at(0)), "its worker still has it");
    assert_eq!((record.is_synthetic(), record.body), (true, Some(synthetic(complete("A")).body)), "the first one stays");
}

pub(super) async fn a_real_one_after_a_synthetic_one_that_was_settled_only_counts(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.led_to(1, synthetic(complete("A")), Settled::Handled).await;
    assert_eq!(inbox.tell(received(complete("A"), 3)).await, Recorded::Duplicate { first, requeued: false });
    let record = inbox.see(first).await;
    assert_eq!((record.state, record.body), (State::Handled, Some(synthetic(complete("A")).body)));
    assert!(inbox.due(4).await.is_empty(), "nothing is handled twice");

    let pruned = inbox.led_to(5, synthetic(complete("B")), Settled::Handled).await;
    while inbox.prune(at(1_000), Retention::default().handled(Duration::from_secs(1))).await.unwrap() > 0 {}
    assert_eq!(inbox.tell(received(complete("B"), 1_001)).await, Recorded::Duplicate { first: pruned, requeued: false });
    let record = inbox.see(pruned).await;
    assert_eq!((record.body.as_ref(), record.is_synthetic()), (None, true));

    let dead = inbox.led_to(1_002, synthetic(complete("C")), used_up()).await;
    assert_eq!(inbox.tell(received(complete("C"), 1_003)).await, Recorded::Duplicate { first: dead, requeued: true });
    let claimed = inbox.one_due(1_004).await;
    assert_eq!((claimed.lease.id, claimed.body), (dead, synthetic(complete("C")).body));
}

pub(super) async fn a_real_and_a_synthetic_one_with_other_money_are_in_conflict(store: &Store) {
    for is_real_first in [true, false] {
        let inbox = store.open().await;
        let (a, b) = (paying(complete("A"), "250"), paying(complete("A"), "9000"));
        let (first, second) = if is_real_first { (a, synthetic(b)) } else { (synthetic(a), b) };
        let id = inbox.new_id(first.clone()).await;
        let Recorded::Conflict { first: holder, kept } = inbox.tell(second.clone()).await else {
            panic!("the money differs");
        };
        assert_eq!((holder, inbox.state(kept).await), (id, State::Conflict));
        assert_eq!(inbox.see(kept).await.body, Some(second.body.clone()));
        assert_eq!(inbox.tell(second).await, Recorded::Conflict { first: id, kept }, "it is kept once");
        let claimed = inbox.one_due(0).await;
        assert_eq!((claimed.lease.id, claimed.body), (id, first.body), "the first one is handled");
    }
}

pub(super) async fn of_real_and_synthetic_ones_at_once_one_is_handled(store: &Store) {
    let inbox = store.open().await;
    let all = (0..100).map(|n| if n % 2 == 0 { complete("A") } else { synthetic(complete("A")) }).collect();
    let recorded = at_once(&inbox, all).await;
    assert_eq!(recorded.iter().filter_map(new_id).count(), 1);
    assert!(recorded.iter().all(|recorded| !matches!(recorded, Recorded::Conflict { .. })), "{recorded:?}");
    let claimed = inbox.one_due(0).await;
    assert_eq!(claimed.duplicates, 99);
}

pub(super) async fn of_many_copies_at_once_one_is_new(store: &Store) {
    let inbox = store.open().await;
    let recorded = at_once(&inbox, vec![complete("A"); 200]).await;
    let new: Vec<_> = recorded.iter().filter_map(new_id).collect();
    let [first] = new[..] else { panic!("new: {new:?}") };
    let duplicate = Recorded::Duplicate { first, requeued: false };
    assert_eq!(recorded.iter().filter(|recorded| **recorded == duplicate).count(), 199);
    assert_eq!(inbox.see(first).await.duplicates, 199);
    assert_eq!(ids(&inbox.due(0).await), [first]);
}

pub(super) async fn of_many_bodies_at_once_one_is_new_and_each_other_kept_once(store: &Store) {
    let inbox = store.open().await;
    let copies = (0..200).map(|number| saying(complete("A"), format!("body {}", number % 4))).collect();
    let recorded = at_once(&inbox, copies).await;
    let new: Vec<_> = recorded.iter().filter_map(new_id).collect();
    let [first] = new[..] else { panic!("new: {new:?}") };
    let everything = inbox.everything().await;
    let mut states: BTreeMap<State, usize> = BTreeMap::new();
    everything.iter().for_each(|record| *states.entry(record.state).or_default() += 1);
    assert_eq!(states, BTreeMap::from([(State::Pending, 1), (State::Conflict, 3)]));
    assert!(everything.iter().all(|record| record.duplicates == 49), "{everything:?}");
    assert_eq!(ids(&inbox.due(0).await), [first]);
}

pub(super) async fn many_at_once_are_all_kept(store: &Store) {
    let inbox = store.open().await;
    let many = (0..500).map(|number| order_event(&format!("{number:03}"), "order_complete", complete("A").stage.unwrap()));
    let mut recorded: Vec<_> = at_once(&inbox, many.collect()).await.iter().filter_map(new_id).collect();
    recorded.sort_unstable();
    recorded.dedup();
    assert_eq!(recorded.len(), 500);
    assert_eq!(ids(&inbox.due(0).await), recorded);
}

pub(super) async fn ids_grow_with_arrival(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(complete("A")).await;
    let second = inbox.new_id(noise("{")).await;
    let third = conflict(inbox.tell(saying(complete("A"), "another")).await, first);
    let fourth = inbox.new_id(keyless()).await;
    assert!([first, second, third, fourth].is_sorted_by(|a, b| a < b));
}

fn conflict(recorded: Recorded, of: DeliveryId) -> DeliveryId {
    match recorded {
        Recorded::Conflict { first, kept } if first == of => kept,
        recorded => panic!("a conflict with {of} is {recorded:?}"),
    }
}

fn new_id(recorded: &Recorded) -> Option<DeliveryId> {
    match recorded {
        Recorded::New(id) => Some(*id),
        _ => None,
    }
}

/// Records all deliveries simultaneously, each in a separate task.
async fn at_once(inbox: &Fixture, deliveries: Vec<NewDelivery>) -> Vec<Recorded> {
    let barrier = Arc::new(Barrier::new(deliveries.len()));
    let record = |new| {
        let (inbox, barrier) = (inbox.clone(), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            inbox.tell(new).await
        })
    };
    let tasks: Vec<_> = deliveries.into_iter().map(record).collect();
    let mut recorded = Vec::new();
    for task in tasks {
        recorded.push(task.await.unwrap());
    }
    recorded
}

pub(super) async fn the_same_content_is_a_conflict_after_its_time(store: &Store) {
    let inbox = store.open().await;
    let sent_at = |seconds| {
        let mut new = received(complete("A"), seconds);
        new.duplicate_within = Some(Duration::from_secs(100));
        new
    };
    let first = inbox.led_to(0, sent_at(0), Settled::Handled).await;
    assert_eq!(inbox.tell(sent_at(100)).await, Recorded::Duplicate { first, requeued: false });
    let Recorded::Conflict { first: of, kept } = inbox.tell(sent_at(101)).await else { panic!("it is no conflict") };
    assert_eq!((of, inbox.state(kept).await, inbox.due(200).await.len()), (first, State::Conflict, 0));
    assert_eq!(inbox.tell(sent_at(102)).await, Recorded::Conflict { first, kept }, "its copies are counted");
    assert_eq!((inbox.see(first).await.duplicates, inbox.see(kept).await.duplicates), (1, 1));
}

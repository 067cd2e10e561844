//! Requeueing, which is the store's part of a replay.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{DeliveryId, NewDelivery, Recorded, Replayed, Requeue, Retention, Settled, State, conflict_note};

use super::tools::{
    LEASE, at, complete, ids, login, order_event, paying, received, saying, started, synthetic, unreadable, used_up,
};
use super::{Fixture, Store};

pub(super) async fn what_was_settled_meanwhile_is_refused(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), Settled::Handled).await;
    for seen in [State::Pending, State::Retrying, State::Parked, State::Dead, State::Quarantined, State::Conflict] {
        assert_eq!(inbox.requeue(Requeue::new(at(1), id, seen)).await.unwrap_err().kind(), StoreErrorKind::Refused);
        assert_eq!(
            inbox.requeue(Requeue::new(at(1), id, seen).reread(complete("B"))).await.unwrap_err().kind(),
            StoreErrorKind::Refused
        );
    }
    assert_eq!((inbox.state(id).await, inbox.due(1).await.len()), (State::Handled, 0));
}

pub(super) async fn what_ended_is_pending_again(store: &Store) {
    let inbox = store.open().await;
    let [.., handled, dead, quarantined, kept] = inbox.one_of_each().await;
    due_again(&inbox, [handled, dead, quarantined, kept]).await;
}

pub(super) async fn what_waits_is_due_at_once(store: &Store) {
    let inbox = store.open().await;
    let [pending, _, retrying, parked, ..] = inbox.one_of_each().await;
    due_again(&inbox, [pending, retrying, parked]).await;
}

async fn due_again<const N: usize>(inbox: &Fixture, mut all: [DeliveryId; N]) {
    for claimed in inbox.due(20).await {
        assert!(inbox.end(20, claimed.lease, Settled::Released).await);
    }
    for id in all {
        assert_eq!(inbox.requeue_any(id, None).await.unwrap(), Replayed::Due);
        let record = inbox.see(id).await;
        assert_eq!((record.state, record.attempts), (State::Pending, 0));
        assert_eq!((record.due_at, record.settled_at), (None, None));
    }
    all.sort_unstable();
    let mut claimed = Vec::new();
    // The conflict and the first delivery belong to one order, so one claim is not enough.
    while claimed.len() < N {
        let due: Vec<_> = inbox.due(21).await.into_iter().filter(|claimed| all.contains(&claimed.lease.id)).collect();
        assert!(!due.is_empty(), "only {claimed:?} of {all:?} were due");
        for delivery in due {
            assert_eq!(delivery.attempt, 1);
            claimed.push(delivery.lease.id);
            assert!(inbox.end(21, delivery.lease, Settled::Handled).await);
        }
    }
    claimed.sort_unstable();
    assert_eq!(claimed, all);
}

pub(super) async fn what_a_worker_holds_is_refused(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let lease = inbox.one_due(0).await.lease;
    for reread in [None, Some(complete("A"))] {
        assert_eq!(inbox.requeue_any(id, reread).await.unwrap_err().kind(), StoreErrorKind::Refused);
    }
    assert!(inbox.end(1, lease, Settled::Handled).await, "its worker still holds it");
}

pub(super) async fn what_is_not_there_is_not_found(store: &Store) {
    let inbox = store.open().await;
    for reread in [None, Some(complete("A"))] {
        let error = inbox.requeue_any(DeliveryId::from_i64(7), reread).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::NotFound);
    }
    assert!(inbox.everything().await.is_empty());
}

pub(super) async fn what_was_pruned_is_refused(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), Settled::Handled).await;
    assert_eq!(inbox.prune(at(1_000), Retention::default().handled(LEASE)).await.unwrap(), 1);
    assert_eq!(inbox.requeue_any(id, None).await.unwrap_err().kind(), StoreErrorKind::Refused);
    assert_eq!(inbox.state(id).await, State::Handled);
    assert!(inbox.due(1_001).await.is_empty(), "there is nothing to handle any more");
}

pub(super) async fn a_reread_one_takes_its_identity(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(unreadable(complete("A").body)).await;
    assert_eq!(inbox.requeue_any(id, Some(received(complete("A"), 50))).await.unwrap(), Replayed::Due);
    let record = inbox.see(id).await;
    assert_eq!(
        (record.state, record.event_type.as_deref(), record.stage),
        (State::Pending, Some("order_complete"), complete("A").stage)
    );
    assert_eq!((record.key, record.body), (complete("A").key, Some(complete("A").body)));
    assert_eq!(record.received_at, at(0), "the time of arrival is unchanged");

    inbox.new_id(started("A")).await;
    let claimed = inbox.one_due(50).await;
    assert_eq!((claimed.lease.id, claimed.key), (id, complete("A").key), "and holds its order");
    assert!(inbox.end(51, claimed.lease, Settled::Handled).await);
    assert_eq!(inbox.tell(received(complete("A"), 60)).await, Recorded::Duplicate { first: id, requeued: false });
    assert!(inbox.one_due(60).await.stale);
    inbox.new_id(unreadable(complete("A").body)).await;

    let soon_over = inbox.new_id(unreadable(login("C", 0).body)).await;
    assert_eq!(inbox.requeue_any(soon_over, Some(received(login("C", 100), 60))).await.unwrap(), Replayed::Due);
    assert_eq!(inbox.tell(received(login("C", 200), 99)).await, Recorded::Duplicate { first: soon_over, requeued: false });
    inbox.new_id(received(login("C", 200), 100)).await;
}

pub(super) async fn a_reread_duplicate_goes_and_is_counted(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(unreadable(complete("A").body)).await;
    let first = inbox.led_to(1, complete("A"), Settled::Handled).await;
    assert_eq!(inbox.requeue_any(id, Some(received(complete("A"), 2))).await.unwrap(), Replayed::Duplicate { first });
    assert!(inbox.is_gone(id).await);
    let record = inbox.see(first).await;
    assert_eq!((record.state, record.duplicates, record.is_synthetic()), (State::Handled, 1, false));
    assert!(inbox.due(3).await.is_empty());
    inbox.new_id(unreadable(complete("A").body)).await;
}

pub(super) async fn a_reread_duplicate_requeues_a_dead_first(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(unreadable(complete("A").body)).await;
    let first = inbox.led_to(1, complete("A"), used_up()).await;
    assert_eq!(inbox.requeue_any(id, Some(received(complete("A"), 2))).await.unwrap(), Replayed::Duplicate { first });
    let claimed = inbox.one_due(2).await;
    assert_eq!((claimed.lease.id, claimed.attempt), (first, 1));
}

pub(super) async fn a_reread_real_one_is_a_duplicate_of_a_synthetic_first(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(unreadable(complete("A").body)).await;
    let first = inbox.led_to(1, synthetic(complete("A")), Settled::Handled).await;
    assert_eq!(inbox.requeue_any(id, Some(received(complete("A"), 2))).await.unwrap(), Replayed::Duplicate { first });
    assert!(inbox.is_gone(id).await);
    let record = inbox.see(first).await;
    assert_eq!((record.state, record.duplicates, record.is_synthetic()), (State::Handled, 1, true));
    assert!(inbox.due(3).await.is_empty());
}

pub(super) async fn a_reread_real_one_with_other_money_is_a_conflict_of_a_synthetic_first(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(unreadable(complete("A").body)).await;
    let first = inbox.led_to(1, synthetic(paying(complete("A"), "250")), Settled::Handled).await;
    let reread = received(paying(complete("A"), "9000"), 2);
    assert_eq!(inbox.requeue_any(id, Some(reread)).await.unwrap(), Replayed::Conflict { first });
    assert!(inbox.due(3).await.is_empty());
}

pub(super) async fn a_reread_one_has_the_money_of_its_event(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(unreadable(complete("A").body)).await;
    let reread = paying(complete("A"), "250");
    assert_eq!(inbox.requeue_any(first, Some(received(reread.clone(), 2))).await.unwrap(), Replayed::Due);
    assert_eq!(inbox.tell(synthetic(reread)).await, Recorded::Duplicate { first, requeued: false });
    assert!(matches!(inbox.tell(synthetic(paying(complete("A"), "9000"))).await, Recorded::Conflict { .. }));
}

pub(super) async fn a_reread_conflict_is_kept_as_one(store: &Store) {
    let inbox = store.open().await;
    let other = saying(complete("A"), "another amount");
    let id = inbox.new_id(unreadable(other.body.clone())).await;
    let first = inbox.led_to(1, complete("A"), Settled::Handled).await;
    assert_eq!(inbox.requeue_any(id, Some(received(other.clone(), 2))).await.unwrap(), Replayed::Conflict { first });
    let everything = inbox.everything().await;
    let [kept, _] = &everything[..] else { panic!("one conflict and its first: {everything:?}") };
    let kept = inbox.see(kept.id).await;
    assert_eq!((kept.state, kept.note), (State::Conflict, Some(conflict_note(first))));
    assert_eq!(
        (kept.key, kept.body),
        (Some(complete("A").key.unwrap().conflicting(&other.fingerprint)), Some(other.body.clone()))
    );
    assert_eq!(inbox.tell(other).await, Recorded::Conflict { first, kept: kept.id });
    assert!(inbox.due(3).await.is_empty());
}

pub(super) async fn an_id_is_never_used_again(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(complete("A")).await;
    let next: [NewDelivery; 3] =
        [complete("B"), unreadable("{}"), order_event("C", "order_failed", complete("C").stage.unwrap())];
    for new in next {
        let gone = inbox.new_id(unreadable(complete("A").body)).await;
        assert_eq!(inbox.requeue_any(gone, Some(complete("A"))).await.unwrap(), Replayed::Duplicate { first });
        assert!(inbox.new_id(new).await > gone);
    }
    let gone = inbox.new_id(unreadable("another amount")).await;
    let conflict = inbox.requeue_any(gone, Some(saying(complete("A"), "another amount"))).await.unwrap();
    assert_eq!(conflict, Replayed::Conflict { first });
    assert!(inbox.everything().await[0].id > gone);
    assert_eq!(ids(&inbox.due(0).await).len(), 3);
}

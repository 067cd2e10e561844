//! Restoring: deliveries of another inbox go on where they were.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Filter, Record, Recorded, Restored, Settled, State, list_all};

use super::tools::{at, complete, dead, described, ids, keyless, login, noise, received, retry, saying, started, used_up};
use super::{Fixture, Store};

/// Returns all deliveries with their bodies.
async fn export(inbox: &Fixture) -> Vec<Record> {
    list_all(&**inbox.inbox(), Filter::all().oldest_first().with_bodies().limit(3)).await.unwrap()
}

/// Restores the deliveries of one inbox in a new one.
async fn moved(store: &Store, from: &Fixture) -> Fixture {
    let to = store.open().await;
    let restored = to.restore(export(from).await).await.unwrap();
    assert!(restored.iter().all(|restored| matches!(restored, Restored::New(_))), "{restored:?}");
    to
}

fn without_id(record: &Record) -> String {
    described(&Record { id: DeliveryId::from_i64(0), ..record.clone() })
}

pub(super) async fn every_state_comes_back(store: &Store) {
    let from = store.open().await;
    let [.., dead, _, kept] = from.one_of_each().await;
    from.new_id(keyless()).await;
    from.new_id(login("A", 1_000)).await;
    from.tell(complete("handled")).await;
    from.resolve(at(50), dead, "credited by hand").await.unwrap();
    from.forget(kept).await.unwrap();
    let to = moved(store, &from).await;
    let (before, after) = (export(&from).await, export(&to).await);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let expected = match before.state {
            State::Leased => Record { state: State::Pending, due_at: None, ..before.clone() },
            _ => before.clone(),
        };
        assert_eq!(without_id(after), without_id(&expected));
    }
    assert_eq!(to.open_counts().await.unwrap().of(State::Dead), 0, "it is still resolved");
}

pub(super) async fn what_waited_goes_on_in_its_sequence(store: &Store) {
    let from = store.open().await;
    from.led_to(0, started("A"), retry(100)).await;
    for new in [complete("A"), received(complete("B"), 5), received(keyless(), 6)] {
        from.new_id(new).await;
    }
    let to = moved(store, &from).await;
    let all: Vec<_> = export(&to).await.iter().map(|record| record.id).collect();
    let claimed = to.due(10).await;
    assert_eq!(ids(&claimed), all[1..]);
    assert!(to.due(20).await.is_empty(), "the event that failed waits for its time, and for its order");
    for claimed in claimed {
        assert!(to.end(20, claimed.lease, Settled::Handled).await);
    }
    assert!(to.due(99).await.is_empty());
    assert_eq!(ids(&to.due(100).await), all[..1]);
}

pub(super) async fn what_is_known_is_skipped(store: &Store) {
    let (from, to) = (store.open().await, store.open().await);
    for new in [complete("A"), complete("B"), started("A"), noise("{")] {
        from.new_id(new).await;
    }
    let (known, other) = (to.new_id(complete("A")).await, to.new_id(saying(complete("B"), "another")).await);
    let exported = export(&from).await;
    let restored = to.restore(exported.clone()).await.unwrap();
    assert_eq!(restored[..2], [Restored::Known(known), Restored::Conflict(other)]);
    assert!(matches!(restored[2..], [Restored::New(_), Restored::New(_)]), "{restored:?}");
    let again = to.restore(exported).await.unwrap();
    assert!(again.iter().all(|again| !matches!(again, Restored::New(_))), "{again:?}");
    assert_eq!(to.everything().await.len(), 4);
    assert!(to.see(other).await.body.is_some_and(|body| body == "another"), "what was there stays");
    assert_eq!(to.see(known).await.duplicates, 0);
}

pub(super) async fn one_that_is_twice_in_a_batch_is_added_once(store: &Store) {
    let (from, to) = (store.open().await, store.open().await);
    from.new_id(complete("A")).await;
    let twice = [export(&from).await, export(&from).await].concat();
    let restored = to.restore(twice).await.unwrap();
    let Restored::New(id) = restored[0] else { panic!("{restored:?}") };
    assert_eq!(restored[1], Restored::Known(id));
}

pub(super) async fn the_first_with_a_key_in_a_batch_counts(store: &Store) {
    let from = store.open().await;
    from.tell(complete("A")).await;
    let one = export(&from).await.remove(0);
    let without_order = Record { stage: None, ..one.clone() };
    for (first, second) in [(&one, &without_order), (&without_order, &one)] {
        let to = store.open().await;
        let restored = to.restore(vec![first.clone(), second.clone()]).await.unwrap();
        let [Restored::New(id), Restored::Known(known)] = restored[..] else { panic!("{restored:?}") };
        assert_eq!((id, to.see(id).await.stage), (known, first.stage));
    }
}

pub(super) async fn a_batch_is_restored_whole_or_not_at_all(store: &Store) {
    let (from, to) = (store.open().await, store.open().await);
    from.new_id(complete("A")).await;
    from.new_id(complete("B")).await;
    let exported = export(&from).await;
    for broken in [Record { state: State::Unknown, ..exported[1].clone() }, Record { body: None, ..exported[1].clone() }] {
        let error = to.restore(vec![exported[0].clone(), broken]).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Refused);
        assert!(to.everything().await.is_empty());
    }
    assert_eq!(to.restore(Vec::new()).await.unwrap(), []);
}

pub(super) async fn a_copy_of_a_restored_one_is_a_duplicate(store: &Store) {
    let from = store.open().await;
    from.led_to(0, complete("handled"), Settled::Handled).await;
    from.led_to(0, complete("dead"), dead()).await;
    from.led_to(0, complete("used up"), used_up()).await;
    let to = moved(store, &from).await;
    for (record, requeued) in export(&to).await.iter().zip([false, false, true]) {
        let order = record.key.as_ref().unwrap().subject().trim_start_matches("wert/order/").to_owned();
        assert_eq!(to.tell(complete(&order)).await, Recorded::Duplicate { first: record.id, requeued });
    }
    let start = to.new_id(started("handled")).await;
    let claimed = to.due(10).await;
    assert!(claimed.iter().any(|claimed| claimed.lease.id == start && claimed.stale), "its order was complete: {claimed:?}");
}

pub(super) async fn a_restored_one_joins_its_order(store: &Store) {
    let (from, to) = (store.open().await, store.open().await);
    from.new_id(started("A")).await;
    from.new_id(started("B")).await;
    to.led_to(0, complete("B"), retry(100)).await;
    to.new_id(complete("A")).await;
    let leased = to.one_due(0).await;
    let restored = to.restore(export(&from).await).await.unwrap();
    let [Restored::New(a), Restored::New(b)] = restored[..] else { panic!("{restored:?}") };
    assert_eq!(ids(&to.due(1).await), [b], "it has been due longer than the head that failed");
    assert!(to.end(1, leased.lease, Settled::Handled).await);
    assert_eq!(ids(&to.due(1).await), [a], "it waited for the one that was leased");
}

pub(super) async fn a_cause_that_is_not_known_is_none_that_requeues(store: &Store) {
    let (from, to) = (store.open().await, store.open().await);
    from.led_to(0, complete("A"), used_up()).await;
    let mut exported = export(&from).await;
    exported[0].cause = None;
    to.restore(exported).await.unwrap();
    assert_eq!(to.everything().await[0].cause, Some(DeadCause::TransactionEnded));
    assert!(matches!(to.tell(complete("A")).await, Recorded::Duplicate { requeued: false, .. }));
}

//! Resolutions: what an operator has dealt with is open no more.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{DeliveryId, Filter, Recorded, State};

use super::tools::{at, complete, dead, used_up};
use super::{Fixture, Store};

pub(super) async fn what_waits_for_an_operator_can_be_resolved(store: &Store) {
    let inbox = store.open().await;
    let [.., dead, quarantined, kept] = inbox.one_of_each().await;
    for (nth, id) in [dead, quarantined, kept].into_iter().enumerate() {
        let before = inbox.see(id).await;
        assert_eq!((before.resolved_at, &before.resolution), (None, &None));
        inbox.resolve(at(100), id, "credited by hand").await.unwrap();
        let resolved = inbox.see(id).await;
        assert_eq!((resolved.resolved_at, resolved.resolution.as_deref()), (Some(at(100)), Some("credited by hand")));
        assert_eq!((resolved.state, resolved.note), (before.state, before.note), "all else stays");
        assert_eq!(listed(&inbox, Filter::all().resolved(true)).await.len(), nth + 1);
        assert_eq!(inbox.open_counts().await.unwrap().of(before.state), 0);
        assert_eq!(inbox.counts().await.unwrap().of(before.state), 1);
        assert_eq!(listed(&inbox, Filter::all().state(before.state).resolved(false)).await, []);
        assert_eq!(listed(&inbox, Filter::all().state(before.state)).await, [id]);
    }
    assert_eq!(listed(&inbox, Filter::all().resolved(true)).await, [kept, quarantined, dead]);
    assert_eq!(listed(&inbox, Filter::all().resolved(false)).await.len(), 5);
}

pub(super) async fn nothing_else_can_be_resolved(store: &Store) {
    let inbox = store.open().await;
    let [pending, leased, retrying, parked, handled, ..] = inbox.one_of_each().await;
    for id in [pending, leased, retrying, parked, handled] {
        let before = inbox.see(id).await;
        let refused = inbox.resolve(at(100), id, "").await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Refused, "{before:?}");
        assert_eq!(inbox.see(id).await.resolved_at, None);
    }
    assert_eq!(listed(&inbox, Filter::all().resolved(true)).await, []);
}

pub(super) async fn what_is_not_there_is_not_found(store: &Store) {
    let inbox = store.open().await;
    let nothing = DeliveryId::from_i64(7);
    assert_eq!(inbox.resolve(at(0), nothing, "").await.unwrap_err().kind(), StoreErrorKind::NotFound);
    assert_eq!(inbox.reopen(at(200), nothing).await.unwrap_err().kind(), StoreErrorKind::NotFound);
}

pub(super) async fn what_is_resolved_again_has_the_later_note(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), dead()).await;
    inbox.resolve(at(1), id, "first").await.unwrap();
    inbox.resolve(at(2), id, "second").await.unwrap();
    let resolved = inbox.see(id).await;
    assert_eq!((resolved.resolved_at, resolved.resolution.as_deref()), (Some(at(2)), Some("second")));
}

pub(super) async fn what_was_reopened_is_open(store: &Store) {
    let inbox = store.open().await;
    let [.., dead, quarantined, kept] = inbox.one_of_each().await;
    for id in [dead, quarantined, kept] {
        inbox.resolve(at(100), id, "a mistake").await.unwrap();
        inbox.reopen(at(200), id).await.unwrap();
        inbox.reopen(at(200), id).await.unwrap();
        let reopened = inbox.see(id).await;
        assert_eq!((reopened.resolved_at, reopened.resolution), (None, None));
        assert_eq!(inbox.open_counts().await.unwrap().of(reopened.state), 1);
        assert_eq!(listed(&inbox, Filter::all().state(reopened.state).resolved(false)).await, [id]);
    }
    assert_eq!(listed(&inbox, Filter::all().resolved(true)).await, []);
}

pub(super) async fn a_resolved_one_is_requeued_once_it_is_reopened(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), dead()).await;
    inbox.resolve(at(1), id, "not needed").await.unwrap();
    assert_eq!(inbox.requeue_any(id, None).await.unwrap_err().kind(), StoreErrorKind::Refused, "it may have been paid by hand");
    assert_eq!(inbox.see(id).await.resolved_at, Some(at(1)));
    inbox.reopen(at(1), id).await.unwrap();
    inbox.requeue_any(id, None).await.unwrap();
    let requeued = inbox.see(id).await;
    assert_eq!((requeued.state, requeued.resolved_at, requeued.resolution), (State::Pending, None, None));
    let claimed = inbox.one_due(2).await;
    assert!(inbox.end(2, claimed.lease, dead()).await);
    assert_eq!(inbox.open_counts().await.unwrap().of(State::Dead), 1, "it waits for an operator again");
}

pub(super) async fn a_duplicate_of_a_resolved_one_only_counts(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), used_up()).await;
    inbox.resolve(at(1), id, "credited by hand").await.unwrap();
    assert_eq!(inbox.tell(complete("A")).await, Recorded::Duplicate { first: id, requeued: false });
    let first = inbox.see(id).await;
    assert_eq!((first.state, first.duplicates, first.resolved_at), (State::Dead, 1, Some(at(1))));
    assert!(inbox.due(1_000).await.is_empty(), "it would be credited twice");
    inbox.reopen(at(200), id).await.unwrap();
    assert_eq!(inbox.tell(complete("A")).await, Recorded::Duplicate { first: id, requeued: true });
}

pub(super) async fn a_slow_clock_resolves_as_well(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(50, complete("A"), dead()).await;
    inbox.resolve(at(40), id, "").await.unwrap();
    assert_eq!(inbox.see(id).await.resolved_at, Some(at(50)), "no older than the settlement");
    assert_eq!(inbox.open_counts().await.unwrap().of(State::Dead), 0);
}

pub(super) async fn a_resolution_is_forgotten_with_its_body(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), dead()).await;
    inbox.resolve(at(1), id, "Ada called").await.unwrap();
    inbox.forget(id).await.unwrap();
    let forgotten = inbox.see(id).await;
    assert_eq!((forgotten.resolved_at, forgotten.resolution, forgotten.body), (Some(at(1)), None, None));
    inbox.resolve(at(2), id, "again").await.unwrap();
    assert_eq!(inbox.see(id).await.resolution.as_deref(), Some("again"), "a body is not needed");
    inbox.forget(id).await.unwrap();
    assert!(inbox.history(id).await.unwrap().iter().all(|entry| entry.text.is_none()), "also without a body");
}

async fn listed(inbox: &Fixture, filter: Filter) -> Vec<DeliveryId> {
    inbox.list(filter).await.unwrap().records.iter().map(|record| record.id).collect()
}

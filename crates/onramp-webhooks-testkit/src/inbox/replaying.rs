//! Replays over this store.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{
    DeadCause, DeliveryId, Filter, Quarantine, ReplayScope, Replayed, Retention, Settled, State, replay, replay_all,
};
use onramp_webhooks::provider::Providers;

use super::tools::{LEASE, at, complete, dead, quarantined, saying};
use super::{Fixture, Store};

pub(super) async fn every_state_that_allows_it_falls_due(store: &Store) {
    let inbox = store.open().await;
    let [pending, _, retrying, parked, _, dead, _, kept] = inbox.one_of_each().await;
    for id in [pending, retrying, parked, dead, kept] {
        let scope = if id == kept { ReplayScope::EvenConflicts } else { ReplayScope::Unhandled };
        assert_eq!(replayed(&inbox, id, scope).await, Ok(Replayed::Due));
        assert_eq!((inbox.state(id).await, inbox.see(id).await.attempts), (State::Pending, 0));
    }
    assert_eq!(inbox.due(20).await.len(), 5);
}

pub(super) async fn a_conflict_has_to_be_asked_for(store: &Store) {
    let inbox = store.open().await;
    let [.., kept] = inbox.one_of_each().await;
    for scope in [ReplayScope::Unhandled, ReplayScope::EvenHandled] {
        assert_eq!(replayed(&inbox, kept, scope).await, Err(StoreErrorKind::Refused));
        assert_eq!(inbox.state(kept).await, State::Conflict);
    }
    assert_eq!(replayed(&inbox, kept, ReplayScope::EvenConflicts).await, Ok(Replayed::Due));
}

pub(super) async fn what_was_handled_has_to_be_asked_for(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), Settled::Handled).await;
    for scope in [ReplayScope::Unhandled, ReplayScope::EvenConflicts] {
        assert_eq!(replayed(&inbox, id, scope).await, Err(StoreErrorKind::Refused));
    }
    assert!(inbox.due(1).await.is_empty());
    assert_eq!(replayed(&inbox, id, ReplayScope::EvenHandled).await, Ok(Replayed::Due));
    assert_eq!(inbox.one_due(1).await.attempt, 1);
}

pub(super) async fn what_may_have_succeeded_has_to_be_asked_for(store: &Store) {
    let inbox = store.open().await;
    let ended = Settled::Dead { error: "the handler ended its transaction".into(), cause: DeadCause::TransactionEnded };
    let id = inbox.led_to(0, complete("A"), ended).await;
    for scope in [ReplayScope::Unhandled, ReplayScope::EvenConflicts] {
        assert_eq!(replayed(&inbox, id, scope).await, Err(StoreErrorKind::Refused));
    }
    assert_eq!(replayed(&inbox, id, ReplayScope::EvenHandled).await, Ok(Replayed::Due));
}

pub(super) async fn what_was_resolved_is_refused(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.led_to(0, complete("A"), dead()).await;
    inbox.resolve(at(1), id, "paid by hand").await.unwrap();
    for scope in [ReplayScope::Unhandled, ReplayScope::EvenHandled] {
        assert_eq!(replayed(&inbox, id, scope).await, Err(StoreErrorKind::Refused));
    }
    assert_eq!(inbox.state(id).await, State::Dead);
}

pub(super) async fn what_a_worker_holds_what_is_not_there_and_what_was_pruned_is_refused(store: &Store) {
    let inbox = store.open().await;
    let [_, leased, _, _, handled, ..] = inbox.one_of_each().await;
    assert_eq!(inbox.prune(at(1_000), Retention::default().handled(LEASE)).await.unwrap(), 1);
    for scope in [ReplayScope::Unhandled, ReplayScope::EvenHandled] {
        assert_eq!(replayed(&inbox, leased, scope).await, Err(StoreErrorKind::Refused));
        assert_eq!(replayed(&inbox, handled, scope).await, Err(StoreErrorKind::Refused));
        assert_eq!(replayed(&inbox, DeliveryId::from_i64(999), scope).await, Err(StoreErrorKind::NotFound));
    }
}

/// The body of an event that this version can read.
const READABLE: &str = r#"{"type":"order_complete","click_id":"C","order":{"id":"A","base":"BTC","base_amount":"0.1","quote":"EUR",
    "quote_amount":"9000","address":"bc1","transaction_id":"T"}}"#;

pub(super) async fn what_can_be_read_now_is_handled(store: &Store) {
    let inbox = store.open().await;
    for quarantine in [Quarantine::unreadable("order: unknown field"), Quarantine::noise("an old mistake")] {
        let inbox = store.open().await;
        let id = inbox.new_id(quarantined(READABLE, quarantine)).await;
        assert_eq!(replayed(&inbox, id, ReplayScope::Unhandled).await, Ok(Replayed::Due));
        let record = inbox.see(id).await;
        assert_eq!((record.event_type.as_deref(), record.stage), (Some("order_complete"), Some(OrderStage::FINAL)));
        assert_eq!(record.key.unwrap().to_string(), "wert/order/A/order_complete");
        let claimed = inbox.one_due(1).await;
        assert_eq!((claimed.lease.id, &claimed.body[..]), (id, READABLE.as_bytes()));
    }
    assert!(inbox.everything().await.is_empty());
}

pub(super) async fn what_still_cannot_be_read_stays(store: &Store) {
    let inbox = store.open().await;
    for (body, quarantine) in
        [("{", Quarantine::noise("not JSON")), (r#"{"type":"order_complete"}"#, Quarantine::unreadable("order: missing"))]
    {
        let id = inbox.new_id(quarantined(body, quarantine)).await;
        let replayed = replayed(&inbox, id, ReplayScope::Unhandled).await;
        assert!(matches!(replayed, Ok(Replayed::StillUnreadable { .. })), "{replayed:?}");
        assert_eq!(inbox.state(id).await, State::Quarantined);
    }
    assert!(inbox.due(1).await.is_empty());
}

pub(super) async fn what_came_again_meanwhile_goes(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(quarantined(READABLE, Quarantine::unreadable("order: unknown field"))).await;
    let first = inbox.new_id(saying(complete("A"), READABLE)).await;
    assert_eq!(replayed(&inbox, id, ReplayScope::Unhandled).await, Ok(Replayed::Duplicate { first }));
    assert!(inbox.is_gone(id).await);
    assert_eq!(inbox.see(first).await.duplicates, 1);
}

pub(super) async fn what_contradicts_is_kept_as_a_conflict(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(quarantined(READABLE, Quarantine::unreadable("order: unknown field"))).await;
    let first = inbox.new_id(complete("A")).await;
    assert_eq!(replayed(&inbox, id, ReplayScope::Unhandled).await, Ok(Replayed::Conflict { first }));
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.of(State::Conflict), counts.of(State::Quarantined), counts.of(State::Pending)), (1, 0, 1));
}

pub(super) async fn many_are_replayed_page_by_page(store: &Store) {
    let inbox = store.open().await;
    let handled = inbox.led_to(0, complete("handled"), Settled::Handled).await;
    let mut letters = Vec::new();
    for order in ["A", "B", "C", "D", "E"] {
        letters.push(inbox.led_to(0, complete(order), dead()).await);
    }
    let two_a_page = Filter::all().state(State::Dead).limit(2);
    let replayed = replay_all(&*inbox, &Providers::default(), two_a_page, ReplayScope::Unhandled, at(1)).await.unwrap();
    assert!(replayed.iter().all(|(_, result)| matches!(result, Ok(Replayed::Due))));
    assert_eq!(replayed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), letters, "the oldest first");

    let everything = replay_all(&*inbox, &Providers::default(), Filter::all(), ReplayScope::Unhandled, at(1)).await.unwrap();
    assert_eq!(everything.len(), 6);
    let refused: Vec<_> = everything.iter().filter(|(_, result)| result.is_err()).map(|(id, _)| *id).collect();
    assert_eq!(refused, [handled]);
    assert_eq!(inbox.due(2).await.len(), 5);
}

pub(super) async fn what_a_replay_of_many_records_is_left_out(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(quarantined(READABLE, Quarantine::unreadable("order: unknown field"))).await;
    let first = inbox.new_id(complete("A")).await;
    let aside = Filter::all().state(State::Quarantined).state(State::Conflict).limit(1);
    let replayed = replay_all(&*inbox, &Providers::default(), aside, ReplayScope::EvenConflicts, at(1)).await.unwrap();
    let results: Vec<_> = replayed.into_iter().map(|(id, result)| (id, result.unwrap())).collect();
    assert_eq!(results, [(id, Replayed::Conflict { first })]);
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.of(State::Conflict), counts.of(State::Pending)), (1, 1), "nobody has seen the conflict yet");
}

async fn replayed(inbox: &Fixture, id: DeliveryId, scope: ReplayScope) -> Result<Replayed, StoreErrorKind> {
    replay(&**inbox.inbox(), &Providers::default(), id, scope, at(2)).await.map_err(|error| error.kind())
}

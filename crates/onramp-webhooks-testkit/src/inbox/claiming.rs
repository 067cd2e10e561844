//! Claims: due deliveries, their sequence, and at most one of each order.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, DeliveryId, NewDelivery, Recorded, Settled, State};

use super::tools::{LEASE, at, complete, dead, ids, keyless, login, order_event, parked, received, retry, saying, started};
use super::{Fixture, Store};
use crate::tools::at_once;

pub(super) async fn brings_what_was_recorded(store: &Store) {
    let inbox = store.open().await;
    let mut new = received(started("A"), 7);
    new.endpoint = "sandbox".into();
    let id = inbox.new_id(new.clone()).await;
    let claimed = inbox.one_due(8).await;
    assert_eq!((claimed.lease.id, claimed.attempt, claimed.stale, claimed.duplicates), (id, 1, false, 0));
    assert_eq!((&*claimed.endpoint, claimed.provider, claimed.key), ("sandbox", new.provider, new.key));
    assert_eq!((claimed.received_at, claimed.body), (at(7), new.body));
    let record = inbox.see(id).await;
    assert_eq!((record.state.as_str(), record.due_at), ("leased", Some(at(38))));
}

pub(super) async fn first_received_first_up_to_the_limit(store: &Store) {
    let inbox = store.open().await;
    let mut recorded = Vec::new();
    for number in 0..10 {
        // The clock may have gone back, so the sequence of arrival counts.
        recorded.push(inbox.new_id(received(complete(&format!("{number}")), 10 - number)).await);
    }
    assert!(inbox.claims(20, 0).await.deliveries.is_empty());
    for expected in recorded.chunks(4) {
        assert_eq!(ids(&inbox.claims(20, 4).await.deliveries), expected);
    }
    assert!(inbox.claims(20, 4).await.deliveries.is_empty());
}

pub(super) async fn never_two_of_one_order(store: &Store) {
    let inbox = store.open().await;
    let a1 = inbox.new_id(started("A")).await;
    let a2 = inbox.new_id(complete("A")).await;
    let b1 = inbox.new_id(started("B")).await;
    let a3 = inbox.new_id(order_event("A", "order_refunded", OrderStage::UNPLACED)).await;
    let first = inbox.due(0).await;
    assert_eq!(ids(&first), [a1, b1]);
    let b2 = inbox.new_id(complete("B")).await;
    assert!(inbox.due(1).await.is_empty(), "both orders are busy");
    let (a, b) = (first[0].lease, first[1].lease);
    assert!(inbox.end(2, b, Settled::Handled).await);
    assert_eq!(ids(&inbox.due(2).await), [b2]);
    assert!(inbox.end(3, a, Settled::Handled).await);
    let second = inbox.one_due(3).await;
    assert_eq!(second.lease.id, a2);
    assert!(inbox.end(4, second.lease, Settled::Handled).await);
    assert_eq!(inbox.one_due(4).await.lease.id, a3);
}

pub(super) async fn the_limit_is_filled_past_a_busy_order(store: &Store) {
    let inbox = store.open().await;
    let stages = (0..20).map(|number| order_event("A", &format!("state_{number}"), OrderStage::UNPLACED));
    let mut busy = Vec::new();
    for event in stages {
        busy.push(inbox.new_id(event).await);
    }
    let others = [inbox.new_id(complete("B")).await, inbox.new_id(complete("C")).await];
    assert_eq!(ids(&inbox.claims(0, 3).await.deliveries), [busy[0], others[0], others[1]]);
}

pub(super) async fn a_failed_event_does_not_hold_back_its_order(store: &Store) {
    goes_on_after(store, retry(1_000)).await;
    goes_on_after(store, dead()).await;
}

pub(super) async fn a_parked_event_does_not_hold_back_its_order(store: &Store) {
    goes_on_after(store, parked(1_000)).await;
}

async fn goes_on_after(store: &Store, outcome: Settled) {
    let inbox = store.open().await;
    inbox.led_to(0, started("A"), outcome).await;
    let next = inbox.new_id(complete("A")).await;
    assert_eq!(inbox.one_due(1).await.lease.id, next);
}

pub(super) async fn events_without_an_order_run_side_by_side(store: &Store) {
    let inbox = store.open().await;
    // An event of an order without an id belongs to its click id, like account events.
    let mut order = complete("C");
    order.key = Some(DedupKey::from_parts("wert/click/C".into(), "order_complete".into()));
    let all = [
        inbox.new_id(login("C", 100)).await,
        inbox.new_id(order).await,
        inbox.new_id(saying_login("C")).await,
        inbox.new_id(keyless()).await,
        inbox.new_id(keyless()).await,
    ];
    assert_eq!(ids(&inbox.due(0).await), all);
    let late = inbox.new_id(received(login("C", 200), 100)).await;
    assert_eq!(inbox.claims(1, 10).await.deliveries[0].lease.id, late);
}

/// Returns another account event with the same click id.
fn saying_login(click: &str) -> NewDelivery {
    let mut new = saying(login(click, 100), format!(r#"{{"type":"logout","click_id":"{click}"}}"#));
    new.key = Some(DedupKey::from_parts(format!("wert/click/{click}"), format!("logout:{}", new.fingerprint)));
    new
}

pub(super) async fn only_what_is_due_is_claimed(store: &Store) {
    let inbox = store.open().await;
    let [pending, leased, retrying, parked, ..] = inbox.one_of_each().await;
    assert_eq!(ids(&inbox.due(20).await), [pending], "at second 20, only the pending one is due");
    assert_eq!(
        ids(&inbox.due(1_000_000).await),
        [leased, pending, retrying, parked],
        "eventually, all waiting deliveries are due"
    );
}

pub(super) async fn stale_is_what_comes_after_a_later_state(store: &Store) {
    let stages = [OrderStage::UNPLACED, OrderStage::STARTED, OrderStage::TRANSFERRING, OrderStage::FINAL];
    for (earlier, handled) in stages.into_iter().enumerate() {
        for (later, stage) in stages.into_iter().enumerate() {
            let inbox = store.open().await;
            inbox.led_to(0, order_event("A", "handled", handled), Settled::Handled).await;
            inbox.new_id(order_event("A", "arrives", stage)).await;
            let expected = stage != OrderStage::UNPLACED && later < earlier;
            assert_eq!(inbox.one_due(1).await.stale, expected, "{stage:?} after {handled:?}");
        }
    }
}

pub(super) async fn a_later_state_that_was_not_handled_makes_nothing_stale(store: &Store) {
    let inbox = store.open().await;
    inbox.led_to(0, complete("handled"), Settled::Handled).await;
    for (order, outcome) in [("A", retry(1_000)), ("B", parked(1_000)), ("C", dead())] {
        inbox.led_to(0, complete(order), outcome).await;
        inbox.new_id(started(order)).await;
        let claimed = inbox.one_due(1).await;
        assert!(!claimed.stale, "after {order}");
        assert!(inbox.end(1, claimed.lease, Settled::Handled).await);
    }
}

pub(super) async fn says_when_the_next_falls_due(store: &Store) {
    let inbox = store.open().await;
    assert_eq!(inbox.claims(0, 1).await.next_due, None);
    inbox.led_to(0, complete("A"), parked(50)).await;
    inbox.led_to(0, complete("B"), retry(40)).await;
    assert_eq!(inbox.claims(1, 1).await.next_due, Some(at(40)));
    inbox.new_id(complete("C")).await;
    assert_eq!(inbox.claims(2, 1).await.next_due, Some(at(40)));
    let claims = inbox.claims(45, 10).await;
    assert_eq!((claims.deliveries.len(), claims.next_due), (2, Some(at(50))));
    for claimed in claims.deliveries {
        assert!(inbox.end(46, claimed.lease, Settled::Handled).await);
    }
    let last = inbox.one_due(50).await;
    assert!(inbox.end(50, last.lease, Settled::Handled).await);
    assert_eq!(inbox.claims(51, 10).await.next_due, None);
}

pub(super) async fn many_claimers_get_each_delivery_once(store: &Store) {
    let inbox = store.open().await;
    let mut recorded = BTreeSet::new();
    for number in 0..500 {
        recorded.insert(inbox.new_id(complete(&format!("{number:03}"))).await);
    }
    let taken: Vec<_> = claimers(&inbox, 500).await.into_iter().map(|claimed| claimed.lease.id).collect();
    assert_eq!(taken.len(), 500, "some deliveries were claimed twice, or not at all");
    assert_eq!(BTreeSet::from_iter(taken), recorded);
}

pub(super) async fn many_claimers_never_hold_two_of_one_order(store: &Store) {
    let inbox = store.open().await;
    for number in 0..250 {
        // Consecutive deliveries belong to one order, so a store that ignores orders fails at the first claim.
        let event = order_event(&format!("{:02}", number / 5), &format!("state_{}", number % 5), OrderStage::UNPLACED);
        assert!(matches!(inbox.tell(event).await, Recorded::New(_)));
    }
    assert_eq!(claimers(&inbox, 250).await.len(), 250);
}

/// Claims and completes in eight tasks until `expected` deliveries are handled. Panics if two deliveries of one order are leased at the
/// same time.
async fn claimers(inbox: &Fixture, expected: u64) -> Vec<ClaimedDelivery> {
    let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
    let claimer = |_| {
        let (inbox, busy) = (inbox.clone(), Arc::clone(&busy));
        async move {
            let mut all = Vec::new();
            while inbox.counts().await.unwrap().of(State::Handled) < expected {
                tokio::task::yield_now().await;
                let claims = inbox.claims(1, 7).await.deliveries;
                let order = |claimed: &ClaimedDelivery| claimed.key.as_ref().unwrap().subject().to_owned();
                for claimed in &claims {
                    assert!(busy.lock().unwrap().insert(order(claimed)), "two of one order at the same time");
                }
                for claimed in claims {
                    tokio::task::yield_now().await;
                    busy.lock().unwrap().remove(&order(&claimed));
                    assert!(inbox.end(1, claimed.lease, Settled::Handled).await);
                    all.push(claimed);
                }
            }
            all
        }
    };
    at_once((0..8).map(claimer)).await.concat()
}

/// Records events of distinct orders at an endpoint, one a second from `from`.
async fn flood(inbox: &Fixture, endpoint: &str, from: i64, events: i64) -> Vec<DeliveryId> {
    let mut recorded = Vec::new();
    for number in 0..events {
        let mut new = received(complete(&format!("{endpoint}-{number:05}")), from + number);
        new.endpoint = endpoint.into();
        recorded.push(inbox.new_id(new).await);
    }
    recorded
}

/// A retry or a parked delivery does not go before untried ones that have waited longer.
pub(super) async fn what_has_been_due_longest_is_first(store: &Store) {
    let inbox = store.open().await;
    let parked = inbox.led_to(0, complete("parked"), parked(20)).await;
    let failed = inbox.led_to(1, complete("failed"), retry(30)).await;
    let early = inbox.new_id(received(complete("early"), 10)).await;
    let late = inbox.new_id(received(complete("late"), 25)).await;
    assert_eq!(ids(&inbox.claims(40, 3).await.deliveries), [early, parked, late]);
    assert_eq!(ids(&inbox.due(40).await), [failed]);
}

pub(super) async fn of_one_order_what_has_been_due_longest_is_first(store: &Store) {
    for (due_again, expected) in [(20, [0, 1, 2]), (5, [2, 0, 1])] {
        let inbox = store.open().await;
        let again = inbox.led_to(1, received(started("A"), 1), retry(due_again)).await;
        let first = inbox.new_id(received(complete("A"), 10)).await;
        let second = inbox.new_id(received(order_event("A", "order_refunded", OrderStage::UNPLACED), 11)).await;
        for next in expected {
            let claimed = inbox.one_due(30).await;
            assert_eq!(claimed.lease.id, [first, second, again][next], "due again at second {due_again}");
            assert!(inbox.end(30, claimed.lease, Settled::Handled).await);
        }
    }
}

pub(super) async fn endpoints_share_a_claim(store: &Store) {
    let inbox = store.open().await;
    let forged = flood(&inbox, "forged", 0, 20).await;
    let paid = flood(&inbox, "paid", 30, 2).await;
    let request = |limit| ClaimRequest::new(limit, LEASE);
    let claims = inbox.claim(at(40), request(3)).await.unwrap();
    assert_eq!(ids(&claims.deliveries), [forged[0], paid[0], forged[1]]);
    let held = BTreeMap::from([("forged".into(), 5)]);
    let claims = inbox.claim(at(40), request(1).held(held)).await.unwrap();
    assert_eq!(ids(&claims.deliveries), [paid[1]], "the endpoint of which the worker holds fewer");
}

pub(super) async fn an_endpoint_can_be_left_out(store: &Store) {
    let inbox = store.open().await;
    flood(&inbox, "slow", 0, 3).await;
    let paid = flood(&inbox, "paid", 3, 1).await;
    let request = ClaimRequest::new(10, LEASE).except(BTreeSet::from(["slow".into()]));
    assert_eq!(ids(&inbox.claim(at(5), request).await.unwrap().deliveries), paid);
}

pub(super) async fn half_of_a_late_claim_is_the_newest(store: &Store) {
    let inbox = store.open().await;
    let all = flood(&inbox, "wert", 0, 100).await;
    let first = inbox.claims(60, 2).await.deliveries;
    assert_eq!(ids(&first), [all[0], all[1]], "nothing has waited for more than a minute");
    for claimed in first {
        assert!(inbox.end(60, claimed.lease, Settled::Handled).await);
    }
    assert_eq!(ids(&inbox.claims(100, 4).await.deliveries), [all[2], all[99], all[3], all[98]]);
    let request = |turn| ClaimRequest::new(1, LEASE).turn(turn);
    assert_eq!(ids(&inbox.claim(at(101), request(6)).await.unwrap().deliveries), [all[4]]);
    assert_eq!(ids(&inbox.claim(at(101), request(7)).await.unwrap().deliveries), [all[97]], "small claims take turns");
}

/// Only the head of an order takes part in claims.
pub(super) async fn a_long_order_holds_nothing_up(store: &Store) {
    let inbox = store.open().await;
    let mut events = Vec::new();
    for number in 0..150 {
        events.push(inbox.new_id(order_event("A", &format!("state_{number}"), OrderStage::UNPLACED)).await);
    }
    let other = inbox.new_id(complete("B")).await;
    let claims = inbox.claims(1, 10).await.deliveries;
    assert_eq!(ids(&claims), [events[0], other]);
    assert!(inbox.end(1, claims[0].lease, retry(1_000)).await);
    for event in &events[1..] {
        let claimed = inbox.one_due(2).await;
        assert_eq!(claimed.lease.id, *event);
        assert!(inbox.end(2, claimed.lease, Settled::Handled).await);
    }
    assert_eq!(inbox.due(1_000).await.iter().filter(|claimed| claimed.lease.id == events[0]).count(), 1);
}

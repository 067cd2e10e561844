//! Leases: expiry, renewal and fencing.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, DeliveryId, Lease, SUSPECT_AFTER, Settled, Settlement, State};

use super::Store;
use super::tools::{LEASE, at, complete, dead, ids, order_event, received, retry, started};

pub(super) async fn an_expired_lease_is_claimed_again_with_a_greater_fence(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let mut fence = i64::MIN;
    for round in 0..3 {
        let claimed = inbox.one_due(round * 30).await;
        assert_eq!((claimed.lease.id, claimed.attempt), (id, 1), "a crashed worker uses no attempt");
        assert!(claimed.lease.fence > fence);
        fence = claimed.lease.fence;
        assert!(inbox.due(round * 30 + 29).await.is_empty());
    }
}

pub(super) async fn an_expired_lease_holds_its_order_no_longer(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(started("A")).await;
    inbox.one_due(0).await;
    let second = inbox.new_id(complete("A")).await;
    assert!(inbox.due(29).await.is_empty());
    let again = inbox.one_due(30).await;
    assert_eq!(again.lease.id, first);
    assert!(inbox.end(31, again.lease, dead()).await);
    assert_eq!(inbox.one_due(32).await.lease.id, second);
}

pub(super) async fn a_renewed_lease_lasts(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let lease = inbox.one_due(0).await.lease;
    assert_eq!(inbox.renew(vec![lease], at(100)).await.unwrap(), []);
    assert_eq!(inbox.see(id).await.due_at, Some(at(100)));
    let claims = inbox.claims(99, 10).await;
    assert!(claims.deliveries.is_empty());
    assert!(inbox.end(99, lease, Settled::Handled).await, "renewing keeps the fence");
}

pub(super) async fn renewing_a_lost_lease_says_so(store: &Store) {
    let inbox = store.open().await;
    let [kept, taken, ended] =
        [inbox.new_id(complete("A")).await, inbox.new_id(complete("B")).await, inbox.new_id(complete("C")).await];
    let first = inbox.due(0).await;
    let [kept, taken, ended] = [kept, taken, ended].map(|id| first.iter().find(|claimed| claimed.lease.id == id).unwrap().lease);
    assert_eq!(inbox.renew(vec![kept], at(90)).await.unwrap(), []);
    assert!(inbox.end(1, ended, Settled::Handled).await);
    let now_held = inbox.one_due(30).await.lease;
    assert_eq!(now_held.id, taken.id);

    let unknown = Lease::new(DeliveryId::from_i64(1_000_000), 1);
    assert_eq!(inbox.renew(vec![taken, kept, ended, unknown], at(200)).await.unwrap(), [taken, ended, unknown]);
    assert_eq!(inbox.see(kept.id).await.due_at, Some(at(200)));
    assert_eq!(inbox.see(taken.id).await.due_at, Some(at(60)), "only the current lease changes the due time");
    assert_eq!(inbox.state(ended.id).await, State::Handled);
}

pub(super) async fn an_old_fence_ends_nothing(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let old = inbox.one_due(0).await.lease;
    let new = inbox.one_due(30).await.lease;
    for outcome in [Settled::Handled, retry(31), dead(), Settled::Released] {
        assert!(!inbox.end(31, old, outcome).await, "another worker holds it");
    }
    let record = inbox.see(id).await;
    assert_eq!((record.state, record.due_at, record.attempts, record.note), (State::Leased, Some(at(60)), 0, None));
    assert!(inbox.end(32, new, Settled::Handled).await);
    assert!(!inbox.end(33, old, retry(40)).await, "another worker has handled it");
    assert_eq!(inbox.state(id).await, State::Handled);
    assert!(inbox.due(100).await.is_empty());
}

pub(super) async fn an_expired_lease_that_nobody_took_still_counts(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let lease = inbox.one_due(0).await.lease;
    assert!(inbox.end(1_000, lease, Settled::Handled).await, "no other worker has claimed it");
    assert_eq!(inbox.state(id).await, State::Handled);
}

pub(super) async fn a_lease_ends_once(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let lease = inbox.one_due(0).await.lease;
    let twice = vec![Settlement::new(lease, Settled::Handled), Settlement::new(lease, dead())];
    assert_eq!(inbox.settle(at(1), twice).await.unwrap(), [lease], "the second comes too late");
    assert!(!inbox.end(2, lease, retry(3)).await);
    let record = inbox.see(id).await;
    assert_eq!((record.state, record.attempts, record.settled_at), (State::Handled, 1, Some(at(1))));
}

pub(super) async fn one_lost_lease_does_not_spoil_the_others(store: &Store) {
    let inbox = store.open().await;
    let mut all = Vec::new();
    for order in ["A", "B", "C"] {
        all.push(inbox.new_id(complete(order)).await);
    }
    let leases: Vec<_> = inbox.due(0).await.iter().map(|claimed| claimed.lease).collect();
    assert!(inbox.end(1, leases[1], dead()).await);
    let settlements = leases.iter().map(|lease| Settlement::new(*lease, Settled::Handled)).collect();
    assert_eq!(inbox.settle(at(2), settlements).await.unwrap(), [leases[1]]);
    let states = [inbox.state(all[0]).await, inbox.state(all[1]).await, inbox.state(all[2]).await];
    assert_eq!(states, [State::Handled, State::Dead, State::Handled]);
    assert_eq!(inbox.settle(at(3), Vec::new()).await.unwrap(), []);
    assert_eq!(inbox.renew(Vec::new(), at(3)).await.unwrap(), []);
}

pub(super) async fn a_clock_that_goes_back_loses_and_doubles_nothing(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.new_id(order_event("A", "order_complete", started("A").stage.unwrap())).await;
    let held = inbox.one_due(1_000).await.lease;
    let back = Timestamp::from_millis(at(0).as_millis() - 86_400_000);
    let later = inbox.new_id(complete("B")).await;
    let claims = inbox.claim(back, onramp_webhooks::inbox::ClaimRequest::new(10, super::tools::LEASE)).await.unwrap();
    assert_eq!(ids(&claims.deliveries), [later], "a leased delivery stays leased, and a due one stays due");
    assert!(inbox.end(-86_399, held, retry(-86_000)).await);
    assert!(inbox.end(-86_399, claims.deliveries[0].lease, Settled::Handled).await);
    assert!(inbox.due(-86_001).await.is_empty());
    let again = inbox.one_due(-86_000).await;
    assert_eq!((again.lease.id, again.attempt), (first, 2));
    assert!(again.lease.fence > held.fence);
    assert!(inbox.end(-86_000, again.lease, Settled::Handled).await);
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 2);
}

pub(super) async fn lost_claims_are_counted_until_a_settlement_or_a_release(store: &Store) {
    let inbox = store.open().await;
    inbox.new_id(complete("A")).await;
    for (round, ends, expected) in [
        (0, None, 0),
        (1, None, 1),
        (2, Some(Settled::Released), 2),
        (3, None, 0),
        (4, Some(retry(150)), 1),
        (5, None, 0),
        (6, None, 1),
    ] {
        let claimed = inbox.one_due(round * 30).await;
        assert_eq!(claimed.lost_claims, expected, "in round {round}");
        if let Some(outcome) = ends {
            assert!(inbox.end(round * 30, claimed.lease, outcome).await);
        }
    }
}

/// The handler of a suspect may end the process again, with whatever else runs in it.
pub(super) async fn a_suspect_is_claimed_alone(store: &Store) {
    let inbox = store.open().await;
    let [a, b] = [inbox.new_id(complete("A")).await, inbox.new_id(complete("B")).await];
    for round in 0..i64::from(SUSPECT_AFTER) {
        assert_eq!(ids(&inbox.due(round * 30).await), [a, b]);
    }
    let other = inbox.new_id(complete("C")).await;
    let claims = inbox.claims(500, 10).await;
    assert_eq!((ids(&claims.deliveries), claims.has_suspect), (vec![other], true));
    for (number, (suspect, lost)) in (0..).zip([(a, 5), (b, 5), (a, 6)]) {
        let claims = inbox.claim(at(500 + number * 30), ClaimRequest::new(10, LEASE * 2).of_a_suspect()).await.unwrap();
        assert_eq!(ids(&claims.deliveries), [suspect], "one at a time");
        assert_eq!(claims.deliveries[0].lost_claims, lost);
    }
    assert!(!inbox.claims(561, 10).await.has_suspect, "both are leased");
}

/// One that was tried before may have been due for longer than one that never was.
pub(super) async fn of_two_suspects_the_longest_due_comes_first(store: &Store) {
    let inbox = store.open().await;
    let again = inbox.new_id(complete("A")).await;
    let lease = inbox.one_due(0).await.lease;
    assert!(inbox.end(0, lease, retry(10)).await);
    let untried = inbox.new_id(received(complete("B"), 20)).await;
    for round in 0..i64::from(SUSPECT_AFTER) {
        assert_eq!(ids(&inbox.due(30 + round * 30).await), [again, untried]);
    }
    let claims = inbox.claim(at(500), ClaimRequest::new(1, LEASE).of_a_suspect()).await.unwrap();
    assert_eq!(ids(&claims.deliveries), [again]);
}

//! Commits and rollbacks.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{DeadCause, Lease, Settled, State};

use super::Store;
use super::ledger::Shop;
use crate::inbox;
use crate::inbox::tools::{complete, retry};
use crate::suite::Fixture;

/// Opens a ledger with a delivery that is leased from second 1 until second 31.
async fn leased(store: &Store) -> (Fixture<dyn Shop>, inbox::Fixture, Lease) {
    let shop = store.open().await;
    let inbox = inbox::Fixture::of(shop.inbox());
    inbox.new_id(complete("A")).await;
    let lease = inbox.one_due(1).await.lease;
    (shop, inbox, lease)
}

pub(super) async fn both_are_committed(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    let mut open = shop.begin().await;
    open.credit(100).await.unwrap();
    open.credit(20).await.unwrap();
    assert_eq!(shop.total().await, 0, "writes are visible before the commit");
    assert!(open.complete(2, lease).await.unwrap());
    let record = inbox.see(lease.id).await;
    assert_eq!((record.state, record.attempts, record.due_at), (State::Handled, 1, None));
    assert_eq!(record.settled_at, Some(crate::tools::at(2)));
    assert_eq!(shop.total().await, 120);
}

pub(super) async fn what_is_dropped_is_neither(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    let mut open = shop.begin().await;
    open.credit(100).await.unwrap();
    drop(open);
    assert_eq!((inbox.state(lease.id).await, shop.total().await), (State::Leased, 0));
    assert!(inbox.end(2, lease, retry(3)).await, "its lease is still held");
}

pub(super) async fn what_is_rolled_back_is_neither(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    let mut open = shop.begin().await;
    open.credit(100).await.unwrap();
    open.roll_back().await.unwrap();
    assert!(inbox.end(2, lease, retry(3)).await, "its lease is still held");
    assert_eq!((inbox.state(lease.id).await, shop.total().await), (State::Retrying, 0));
}

pub(super) async fn a_handler_that_writes_nothing_completes(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    assert!(shop.begin().await.complete(2, lease).await.unwrap());
    assert_eq!(inbox.state(lease.id).await, State::Handled);
}

pub(super) async fn a_lost_lease_commits_nothing(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    let other = inbox.one_due(40).await.lease;
    let mut late = shop.begin().await;
    late.credit(100).await.unwrap();
    assert!(!late.complete(41, lease).await.unwrap());
    assert!(!shop.begin().await.complete(41, lease).await.unwrap());
    assert_eq!((inbox.state(lease.id).await, shop.total().await), (State::Leased, 0));
    let mut open = shop.begin().await;
    open.credit(20).await.unwrap();
    assert!(open.complete(42, other).await.unwrap());
    assert_eq!(shop.total().await, 20);
}

pub(super) async fn what_another_worker_handled_is_not_handled_again(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    let other = inbox.one_due(40).await.lease;
    let mut open = shop.begin().await;
    open.credit(20).await.unwrap();
    assert!(open.complete(41, other).await.unwrap());
    for stale in [lease, other] {
        let mut late = shop.begin().await;
        late.credit(100).await.unwrap();
        assert!(!late.complete(42, stale).await.unwrap());
    }
    assert_eq!((inbox.state(lease.id).await, shop.total().await), (State::Handled, 20));
}

/// A worker that does not get the result of its commit settles the delivery as after a failure.
pub(super) async fn a_commit_whose_answer_was_lost_is_not_settled_again(store: &Store) {
    for outcome in [
        retry(3),
        Settled::Released,
        Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: "the commit's answer was lost".into() },
    ] {
        let (shop, inbox, lease) = leased(store).await;
        let mut open = shop.begin().await;
        open.credit(100).await.unwrap();
        assert!(open.complete(2, lease).await.unwrap());
        assert!(!inbox.end(2, lease, outcome).await, "the lease had ended");
        assert_eq!((inbox.state(lease.id).await, shop.total().await), (State::Handled, 100));
        assert!(inbox.due(1_000).await.is_empty());
    }
}

pub(super) async fn a_released_delivery_is_not_completed_under_its_old_lease(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    assert!(inbox.end(2, lease, Settled::Released).await);
    let mut open = shop.begin().await;
    open.credit(100).await.unwrap();
    assert!(!open.complete(3, lease).await.unwrap());
    assert_eq!((inbox.state(lease.id).await, shop.total().await), (State::Pending, 0));
}

/// Some stores can commit after a failed statement, and some cannot.
pub(super) async fn after_a_failed_statement_it_is_both_or_neither(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    let mut open = shop.begin().await;
    open.credit(100).await.unwrap();
    assert!(open.fail().await.is_err());
    let completed = open.complete(2, lease).await;
    let expected = match &completed {
        Ok(true) => (State::Handled, 100),
        Err(error) if error.kind() != StoreErrorKind::Refused => (State::Leased, 0),
        _ => panic!("{completed:?}"),
    };
    assert_eq!((inbox.state(lease.id).await, shop.total().await), expected);
}

pub(super) async fn a_transaction_that_the_handler_ended_is_refused(store: &Store) {
    let (shop, inbox, lease) = leased(store).await;
    let mut open = shop.begin().await;
    open.credit(100).await.unwrap();
    let _ = open.end().await;
    let error = open.complete(2, lease).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
    assert_eq!(inbox.state(lease.id).await, State::Leased);
}

pub(super) async fn a_rollback_of_what_the_handler_ended_is_refused(store: &Store) {
    let (shop, _, _) = leased(store).await;
    let mut open = shop.begin().await;
    open.credit(100).await.unwrap();
    let _ = open.end().await;
    let error = open.roll_back().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
}

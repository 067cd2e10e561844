//! Fencing: a lost claim changes nothing.

use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{KeyLease, KeyState};

use super::tools::{claim, done, running, usual};
use super::{Fixture, Store};

pub(super) async fn an_old_token_renews_nothing(store: &Store) {
    for how in Lost::ALL {
        let (store, old, holder) = taken_over(store, how).await;
        assert!(!store.renew_until(old, 10_000).await, "{how:?}");
        assert_eq!(store.find(229, holder).await, running(new()), "{how:?}");
        store.begin(230, claim("A", 3)).await;
    }
}

pub(super) async fn an_old_token_completes_nothing(store: &Store) {
    for how in Lost::ALL {
        let (store, old, holder) = taken_over(store, how).await;
        assert!(!store.end(old, "old", 10_000).await, "{how:?}");
        assert_eq!(store.find(229, holder).await, running(new()), "{how:?}");
        assert!(store.end(holder, "new", 10_000).await, "{how:?}");
        assert!(!store.end(old, "old", 10_000).await, "{how:?}");
        assert_eq!(store.find(9_999, holder).await, done(new(), "new"), "{how:?}");
    }
}

pub(super) async fn an_old_token_releases_nothing(store: &Store) {
    for how in Lost::ALL {
        let (store, old, holder) = taken_over(store, how).await;
        assert!(!store.give_up(old).await, "{how:?}");
        assert_eq!(store.find(229, holder).await, running(new()), "{how:?}");
        assert!(store.end(holder, "new", 10_000).await, "{how:?}");
        assert!(!store.give_up(old).await, "{how:?}");
        assert_eq!(store.find(9_999, holder).await, done(new(), "new"), "{how:?}");
    }
}

/// The way in which the first claim was lost.
#[derive(Clone, Copy, Debug)]
enum Lost {
    ItsLeaseEnded,
    ItsReplyExpired,
    ItGaveUp,
}

impl Lost {
    const ALL: [Self; 3] = [Self::ItsLeaseEnded, Self::ItsReplyExpired, Self::ItGaveUp];
}

/// The fingerprint of the request that claimed the key after the first one.
fn new() -> Fingerprint {
    Fingerprint::of(b"new")
}

/// Opens a store in which the first claim of key A was lost, and the second one holds the key until second 230.
async fn taken_over(store: &Store, how: Lost) -> (Fixture, KeyLease, KeyLease) {
    let (store, old, holder) = (store.open().await, claim("A", 1), claim("A", 2));
    store.begin(0, old).await;
    match how {
        Lost::ItsLeaseEnded => {}
        Lost::ItsReplyExpired => assert!(store.end(old, "old", 100).await),
        Lost::ItGaveUp => assert!(store.give_up(old).await),
    }
    assert_eq!(store.ask(200, holder, new()).await, KeyState::Claimed, "{how:?}");
    (store, old, holder)
}

pub(super) async fn a_token_that_never_claimed_does_nothing(store: &Store) {
    let store = store.open().await;
    let (holder, stranger) = (claim("A", 1), claim("A", 2));
    does_nothing(&store, stranger).await;
    store.begin(0, holder).await;
    does_nothing(&store, stranger).await;
    assert_eq!(store.find(29, holder).await, running(usual()));
    assert_eq!(store.ask(29, stranger, usual()).await, running(usual()));
    // A failed claim does not hold the key.
    does_nothing(&store, stranger).await;
    assert!(store.end(holder, "created", 1_000).await);
    does_nothing(&store, stranger).await;
    assert_eq!(store.find(999, holder).await, done(usual(), "created"));
    store.begin(1_000, stranger).await;
}

async fn does_nothing(store: &Fixture, claim: KeyLease) {
    assert!(!store.renew_until(claim, 10_000).await);
    assert!(!store.end(claim, "nothing", 10_000).await);
    assert!(!store.give_up(claim).await);
}

pub(super) async fn a_lease_that_ended_is_completed_while_nobody_took_it(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.begin_and_let_end(holder).await;
    assert!(store.end(holder, "late", 1_000).await);
    assert_eq!(store.find(500, holder).await, done(usual(), "late"));
}

pub(super) async fn what_is_done_is_not_completed_again(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.done_until(holder, "first", 100).await;
    assert!(!store.end(holder, "second", 1_000).await);
    assert_eq!(store.find(99, holder).await, done(usual(), "first"));
    store.begin(100, claim("A", 2)).await;
}

pub(super) async fn any_number_is_a_token(store: &Store) {
    let store = store.open().await;
    for token in [i64::MIN, -1, 0, 1, i64::MAX] {
        let holder = claim(&format!("{token}"), token);
        store.begin(0, holder).await;
        does_nothing(&store, KeyLease { token: token.wrapping_sub(1), ..holder }).await;
        assert!(store.renew_until(holder, 100).await, "{token}");
        assert!(store.end(holder, "created", 1_000).await, "{token}");
        assert_eq!(store.find(999, holder).await, done(usual(), "created"), "{token}");
    }
}

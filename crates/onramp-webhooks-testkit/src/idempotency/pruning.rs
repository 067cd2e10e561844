//! Pruning of replies and abandoned claims.

use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{ABANDONED_AFTER, KeyState};
use tokio::task::JoinSet;

use super::tools::{LEASE, at, claim, done, running, usual};
use super::{Fixture, Store};

/// The second at which a claim from second 0 counts as abandoned.
fn abandoned() -> i64 {
    LEASE + i64::try_from(ABANDONED_AFTER.as_secs()).unwrap()
}

pub(super) async fn expired_replies_go(store: &Store) {
    let store = store.open().await;
    store.done_until(claim("A", 1), "", 100).await;
    store.done_until(claim("B", 1), "created", 100).await;
    store.done_until(claim("C", 1), "created", 200).await;
    assert_eq!(store.pruned(99).await, 0);
    // A reply until second 100 has expired at second 100.
    store.prunes(100, 2).await;
    assert_eq!(store.pruned(100).await, 0);
    store.begin(100, claim("A", 2)).await;
    store.prunes(1_000, 1).await;
}

pub(super) async fn replies_that_count_stay(store: &Store) {
    let store = store.open().await;
    let later = 10 * abandoned();
    store.done_until(claim("A", 1), "created", later + 1).await;
    assert_eq!(store.pruned(later).await, 0);
    assert_eq!(store.find(later, claim("A", 1)).await, done(usual(), "created"));
}

pub(super) async fn what_runs_stays(store: &Store) {
    let store = store.open().await;
    store.begin(0, claim("A", 1)).await;
    assert_eq!(store.pruned(1).await, 0);
    assert_eq!(store.find(1, claim("A", 1)).await, running(usual()));
    assert_eq!(store.pruned(LEASE).await, 0);
    assert_eq!(store.pruned(abandoned() - 1).await, 0);
    assert!(store.end(claim("A", 1), "late", 10 * abandoned()).await, "a lease that ended is valid until another claim");
    assert_eq!(store.find(abandoned(), claim("A", 1)).await, done(usual(), "late"));
}

pub(super) async fn what_was_renewed_stays(store: &Store) {
    let store = store.open().await;
    store.begin(0, claim("A", 1)).await;
    assert!(store.renew_until(claim("A", 1), LEASE + 10).await);
    assert_eq!(store.pruned(abandoned() + 9).await, 0);
    assert!(store.renew_until(claim("A", 1), LEASE + 20).await);
    assert_eq!(store.pruned(abandoned() + 19).await, 0);
    store.prunes(abandoned() + 20, 1).await;
}

pub(super) async fn abandoned_claims_go(store: &Store) {
    let store = store.open().await;
    let (old, young) = (claim("A", 1), claim("B", 1));
    store.begin(0, old).await;
    store.begin(1, young).await;
    store.prunes(abandoned(), 1).await;
    if !store.forgets_by_itself {
        assert!(!store.renew_until(old, 10 * abandoned()).await, "the claim was pruned");
        assert!(!store.end(old, "created", 10 * abandoned()).await);
        assert!(!store.give_up(old).await);
    }
    assert!(store.end(young, "created", 10 * abandoned()).await);
    let fingerprint = Fingerprint::of(b"another");
    assert_eq!(store.ask(abandoned(), claim("A", 2), fingerprint).await, KeyState::Claimed);
    assert_eq!(store.pruned(abandoned()).await, 0);
    assert_eq!(store.find(abandoned(), claim("A", 2)).await, running(fingerprint));
}

pub(super) async fn many_go_in_rounds(store: &Store) {
    const EACH: u64 = 510;
    const CALLERS: usize = 8;
    let store = store.open().await;
    let mut beginning = JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        beginning.spawn(async move {
            for number in (0..EACH).skip(caller).step_by(CALLERS) {
                one_of_each(&store, number).await;
            }
        });
    }
    beginning.join_all().await;
    store.prunes(abandoned(), 2 * EACH).await;
    assert_eq!(store.prune(at(abandoned())).await.unwrap(), 0);
    for number in 0..EACH {
        assert_eq!(store.find(abandoned(), claim(&format!("kept {number}"), 1)).await, done(usual(), "kept"));
    }
}

/// Stores a reply that expires early, an abandoned claim, and a reply that is kept much longer.
async fn one_of_each(store: &Fixture, number: u64) {
    store.done_until(claim(&format!("expired {number}"), 1), "expired", 100).await;
    store.begin(0, claim(&format!("abandoned {number}"), 1)).await;
    store.done_until(claim(&format!("kept {number}"), 1), "kept", 10 * abandoned()).await;
}

//! Simultaneous claims, of which one succeeds.

use std::sync::Arc;

use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{KeyLease, KeyState};
use tokio::sync::Barrier;

use super::tools::{at_once, claim, done, running};
use super::{Fixture, Store};

const MANY: i64 = 16;
const ROUNDS: i64 = 30;

pub(super) async fn of_many_at_once_one_claims(store: &Store) {
    let store = store.open().await;
    for round in 0..ROUNDS {
        one_of_many(&store, &format!("{round}"), 0).await;
    }
}

pub(super) async fn of_many_at_once_one_takes_over(store: &Store) {
    let store = store.open().await;
    for round in 0..ROUNDS {
        let key = format!("{round}");
        store.begin(0, claim(&key, -1)).await;
        one_of_many(&store, &key, 30).await;
        assert!(!store.end(claim(&key, -1), "late", 10_000).await);
    }
}

pub(super) async fn of_many_at_once_one_claims_anew(store: &Store) {
    let store = store.open().await;
    for round in 0..ROUNDS {
        let key = format!("{round}");
        store.done_until(claim(&key, -1), "expired", 100).await;
        one_of_many(&store, &key, 100).await;
    }
}

/// Claims a free key many times at second `seconds`. One claim succeeds, and all others find it.
async fn one_of_many(store: &Fixture, key: &str, seconds: i64) {
    let ask = |token| {
        let (store, claim) = (store.clone(), claim(key, token));
        async move { (claim, store.ask(seconds, claim, fingerprint(claim)).await) }
    };
    let asked = at_once((0..MANY).map(ask)).await;
    let (claimed, found): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(_, found)| *found == KeyState::Claimed);
    let holders: Vec<KeyLease> = claimed.into_iter().map(|(claim, _)| claim).collect();
    assert_eq!(holders.len(), 1, "all of these claimed it: {holders:?}");
    for (claim, found) in found {
        assert_eq!(found, running(fingerprint(holders[0])));
        assert!(!store.end(claim, "nothing", 10_000).await);
    }
    assert!(store.end(holders[0], "created", 10_000).await);
    assert_eq!(store.find(seconds, holders[0]).await, done(fingerprint(holders[0]), "created"));
}

fn fingerprint(claim: KeyLease) -> Fingerprint {
    Fingerprint::of(&claim.token.to_le_bytes())
}

pub(super) async fn an_end_and_a_takeover_at_once_agree(store: &Store) {
    let store = store.open().await;
    for round in 0..ROUNDS {
        let (first, second) = (claim(&format!("{round}"), 1), claim(&format!("{round}"), 2));
        assert_eq!(store.ask(0, first, fingerprint(first)).await, KeyState::Claimed);
        let barrier = Arc::new(Barrier::new(2));
        let (ends, starts) = (store.clone(), Arc::clone(&barrier));
        let ending = tokio::spawn(async move {
            starts.wait().await;
            ends.end(first, "first", 10_000).await
        });
        barrier.wait().await;
        let found = store.ask(30, second, fingerprint(second)).await;
        let expected = if ending.await.unwrap() { done(fingerprint(first), "first") } else { KeyState::Claimed };
        assert_eq!(found, expected, "both have it, or neither");
    }
}

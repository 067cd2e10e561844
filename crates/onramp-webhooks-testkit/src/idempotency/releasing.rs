//! Releasing of keys.

use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::KeyState;

use super::Store;
use super::tools::{claim, done, running, usual};

pub(super) async fn a_released_key_is_new_again(store: &Store) {
    let store = store.open().await;
    store.begin(0, claim("A", 1)).await;
    assert!(store.give_up(claim("A", 1)).await);
    let fingerprint = Fingerprint::of(b"another body");
    assert_eq!(store.ask(1, claim("A", 2), fingerprint).await, KeyState::Claimed);
    assert_eq!(store.find(2, claim("A", 2)).await, running(fingerprint));
}

pub(super) async fn a_released_claim_is_over(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.begin(0, holder).await;
    assert!(store.give_up(holder).await);
    assert!(!store.give_up(holder).await);
    assert!(!store.renew_until(holder, 1_000).await);
    assert!(!store.end(holder, "created", 1_000).await);
    store.begin(1, claim("A", 2)).await;
}

pub(super) async fn a_lease_that_ended_is_released_while_nobody_took_it(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.begin_and_let_end(holder).await;
    assert!(store.give_up(holder).await);
    store.begin(501, claim("A", 2)).await;
}

pub(super) async fn what_is_done_is_not_released(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.done_until(holder, "created", 1_000).await;
    assert!(!store.give_up(holder).await);
    assert_eq!(store.find(999, holder).await, done(usual(), "created"));
}

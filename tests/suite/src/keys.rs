//! Idempotency keys in a store, claimed and completed at a fixed time.

use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyKey, IdempotencyStore, KeyLease, KeyState};

pub use crate::deliveries::now;

/// The time for which keys are claimed.
pub const LEASE: Duration = Duration::from_secs(30);

/// The time for which replies are kept.
pub const KEEP: Duration = Duration::from_secs(100);

/// Returns a lease of the key `key`.
#[must_use]
pub fn claim(key: &str, token: i64) -> KeyLease {
    KeyLease { key: IdempotencyKey::of(&[key.as_bytes()]), token }
}

/// The fingerprint of every request.
#[must_use]
pub fn fingerprint() -> Fingerprint {
    Fingerprint::of(b"body")
}

/// The state of a key whose request is running.
#[must_use]
pub fn running() -> KeyState {
    KeyState::Running { fingerprint: fingerprint() }
}

/// The state of a key whose request is done.
#[must_use]
pub fn done(reply: &'static str) -> KeyState {
    KeyState::Done { fingerprint: fingerprint(), reply: reply.into() }
}

/// The time at which claims made at [`now`] end.
#[must_use]
pub fn later() -> Timestamp {
    now().after(LEASE)
}

/// Claims a key, or returns the state of the request that holds it.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn ask(store: &impl IdempotencyStore, claim: KeyLease) -> Result<KeyState, StoreError> {
    store.claim(now(), claim, fingerprint(), later()).await
}

/// Claims a key that must be free.
pub async fn begin(store: &impl IdempotencyStore, claim: KeyLease) {
    assert_eq!(ask(store, claim).await.unwrap(), KeyState::Claimed);
}

/// Renews a claim. Returns `false` if it was lost.
pub async fn renew(store: &impl IdempotencyStore, claim: KeyLease) -> bool {
    store.renew(claim, later()).await.unwrap()
}

/// Completes a claim with a reply that is kept for [`KEEP`]. Returns `false` if the claim was lost.
pub async fn end(store: &impl IdempotencyStore, claim: KeyLease, reply: &'static str) -> bool {
    store.complete(claim, reply.into(), now().after(KEEP)).await.unwrap()
}

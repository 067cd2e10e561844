//! Claims, and what is done with them at a moment that all tests share.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{Claim, Found, IdempotencyKey, IdempotencyStore};
use onramp_webhooks::{StoreError, StoreErrorKind};
use onramp_webhooks_redis::RedisIdempotencyStore;

/// How long claims and replies last here.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
pub(crate) const KEEP: Duration = Duration::from_secs(100);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// A request's claim on the key called `key`.
pub(crate) fn claim(key: &str, token: i64) -> Claim {
    Claim { key: IdempotencyKey::of(&[key.as_bytes()]), token }
}

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::of(b"body")
}

pub(crate) fn running() -> Found {
    Found::Running { fingerprint: fingerprint() }
}

pub(crate) fn done(reply: &'static str) -> Found {
    Found::Done { fingerprint: fingerprint(), reply: reply.into() }
}

pub(crate) async fn ask(store: &RedisIdempotencyStore, claim: Claim) -> Result<Found, StoreError> {
    store.claim(now(), claim, fingerprint(), now().after(LEASE)).await
}

/// Claims a key that must be free.
pub(crate) async fn begin(store: &RedisIdempotencyStore, claim: Claim) {
    assert_eq!(ask(store, claim).await.unwrap(), Found::Claimed);
}

pub(crate) async fn renew(store: &RedisIdempotencyStore, claim: Claim) -> bool {
    store.renew(claim, now().after(LEASE)).await.unwrap()
}

pub(crate) async fn end(store: &RedisIdempotencyStore, claim: Claim, reply: &'static str) -> bool {
    store.complete(claim, reply.into(), now().after(KEEP)).await.unwrap()
}

/// Opens a store on a server of the test's own.
pub(crate) async fn open(url: &str) -> RedisIdempotencyStore {
    RedisIdempotencyStore::connect(url).await.unwrap()
}

pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.unwrap_err().kind()
}

//! Claims, and what is found.

use std::path::Path;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{Claim, Found, IdempotencyKey, IdempotencyStore};
use rusqlite::Connection;

use crate::tools::now;

pub(crate) fn claim(key: &str, token: i64) -> Claim {
    Claim { key: IdempotencyKey::of(&[key.as_bytes()]), token }
}

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::of(b"the body")
}

pub(crate) fn later() -> Timestamp {
    now().after(Duration::from_secs(3_600))
}

/// Claims a key for an hour, or finds who has it.
pub(crate) async fn ask(store: &impl IdempotencyStore, claim: Claim) -> Found {
    store.claim(now(), claim, fingerprint(), later()).await.unwrap()
}

/// Claims a key that must be free.
pub(crate) async fn begin(store: &impl IdempotencyStore, claim: Claim) {
    assert_eq!(ask(store, claim).await, Found::Claimed);
}

pub(crate) async fn end(store: &impl IdempotencyStore, claim: Claim, reply: &'static str) {
    assert!(store.complete(claim, reply.into(), later()).await.unwrap());
}

pub(crate) fn done(reply: &'static str) -> Found {
    Found::Done { fingerprint: fingerprint(), reply: reply.into() }
}

pub(crate) fn running() -> Found {
    Found::Running { fingerprint: fingerprint() }
}

/// How many keys another connection sees, and how many of them are done.
pub(crate) fn seen_by_others(path: &Path) -> (i64, i64) {
    let connection = Connection::open(path).unwrap();
    let keys = "SELECT count(*), count(reply) FROM onramp_idempotency";
    connection.query_row(keys, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

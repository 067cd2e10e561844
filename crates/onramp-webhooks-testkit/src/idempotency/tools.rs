//! Helpers for the cases. They panic if a store call fails.

use bytes::Bytes;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyKey, KeyLease, KeyState};

use super::Fixture;
pub(super) use crate::tools::{at, at_once, patiently, prune_all, soon};

/// The time for which keys are claimed, in seconds.
pub(super) const LEASE: i64 = 30;

/// Returns a lease of the key `key`.
pub(super) fn claim(key: &str, token: i64) -> KeyLease {
    KeyLease { key: IdempotencyKey::of(&[key.as_bytes()]), token }
}

/// The default fingerprint of requests.
pub(super) fn usual() -> Fingerprint {
    Fingerprint::of(b"usual")
}

pub(super) fn running(fingerprint: Fingerprint) -> KeyState {
    KeyState::Running { fingerprint }
}

pub(super) fn done(fingerprint: Fingerprint, reply: impl Into<Bytes>) -> KeyState {
    KeyState::Done { fingerprint, reply: reply.into() }
}

impl Fixture {
    /// Claims a key at second `seconds` for [`LEASE`], or returns the state of the request that holds it.
    pub(super) async fn ask(&self, seconds: i64, claim: KeyLease, fingerprint: Fingerprint) -> KeyState {
        patiently(|| self.claim(at(seconds), claim, fingerprint, at(seconds + LEASE))).await.unwrap()
    }

    /// Claims a key that must be free.
    pub(super) async fn begin(&self, seconds: i64, claim: KeyLease) {
        assert_eq!(self.ask(seconds, claim, usual()).await, KeyState::Claimed, "at second {seconds}");
    }

    /// Claims a key at second 0, and advances to second 500 without a call for that key.
    pub(super) async fn begin_and_let_end(&self, claim: KeyLease) {
        self.begin(0, claim).await;
        self.begin(500, KeyLease { key: IdempotencyKey::of(&[b"another"]), token: -1 }).await;
        assert_eq!(self.pruned(500).await, 0);
    }

    /// Returns the state that another request finds for a key that must be held at second `seconds`.
    pub(super) async fn find(&self, seconds: i64, claim: KeyLease) -> KeyState {
        let stranger = KeyLease { token: claim.token.wrapping_add(1_000_000), ..claim };
        let found = self.ask(seconds, stranger, Fingerprint::of(b"a stranger's")).await;
        assert_ne!(found, KeyState::Claimed, "the key should be held at second {seconds}");
        found
    }

    pub(super) async fn renew_until(&self, claim: KeyLease, seconds: i64) -> bool {
        self.renew(claim, at(seconds)).await.unwrap()
    }

    /// Completes with a reply that is kept until second `seconds`.
    pub(super) async fn end(&self, claim: KeyLease, reply: impl Into<Bytes>, seconds: i64) -> bool {
        self.complete(claim, reply.into(), at(seconds)).await.unwrap()
    }

    pub(super) async fn give_up(&self, claim: KeyLease) -> bool {
        self.release(claim).await.unwrap()
    }

    /// Claims at second 0 and completes with a reply that is kept until second `seconds`.
    pub(super) async fn done_until(&self, claim: KeyLease, reply: impl Into<Bytes>, seconds: i64) {
        self.begin(0, claim).await;
        assert!(self.end(claim, reply, seconds).await);
    }

    /// Prunes everything, and asserts that `count` entries were removed, or none if the store removes them by itself.
    pub(super) async fn prunes(&self, seconds: i64, count: u64) {
        let expected = if self.forgets_by_itself { 0 } else { count };
        assert_eq!(self.pruned(seconds).await, expected, "at second {seconds}");
    }

    /// Prunes everything, and returns the number of removed entries.
    pub(super) async fn pruned(&self, seconds: i64) -> u64 {
        prune_all(|| self.prune(at(seconds))).await
    }
}

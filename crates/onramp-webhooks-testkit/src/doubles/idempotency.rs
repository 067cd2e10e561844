//! Doubles of stores of idempotency keys.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{Claim, Found, IdempotencyStore};

use super::Double;

double! {
    /// The double of a store of idempotency keys: every call that it does not implement goes to [`inner`](Self::inner).
    IdempotencyDouble of IdempotencyStore,
    /// The calls of a store of idempotency keys.
    IdempotencyCall
    {
        Claim: claim(now: Timestamp, claim: Claim, fingerprint: Fingerprint, lease_until: Timestamp) -> Found;
        Renew: renew(claim: Claim, lease_until: Timestamp) -> bool;
        Complete: complete(claim: Claim, reply: Bytes, expires_at: Timestamp) -> bool;
        Release: release(claim: Claim) -> bool;
        Prune: prune(now: Timestamp) -> u64;
    }
    waits { Changed: changed; }
}

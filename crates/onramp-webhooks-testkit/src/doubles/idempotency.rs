//! Doubles of stores of idempotency keys.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyLease, KeyState};

use super::Double;

double! {
    /// The double of a store of idempotency keys. Calls that it does not implement are passed to [`inner`](Self::inner).
    IdempotencyDouble of IdempotencyStore,
    /// The calls of a store of idempotency keys.
    IdempotencyCall
    {
        Claim: claim(now: Timestamp, lease: KeyLease, fingerprint: Fingerprint, lease_until: Timestamp) -> KeyState;
        Renew: renew(lease: KeyLease, lease_until: Timestamp) -> bool;
        Complete: complete(lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> bool;
        Release: release(lease: KeyLease) -> bool;
        Prune: prune(now: Timestamp) -> u64;
    }
    waits { Changed: changed; }
}

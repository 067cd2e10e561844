//! Where keys and kept replies live.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::IdempotencyKey;
use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;
use crate::store_error::StoreError;

/// How long after the end of its lease a claim is nobody's any more. A request that stalls so long has lost its key.
pub const ABANDONED: Duration = Duration::from_secs(24 * 3_600);

/// A store of keys and kept replies. [`MemoryIdempotencyStore`](super::MemoryIdempotencyStore) serves one process;
/// `onramp-webhooks-sqlite` keeps them on disk, `onramp-webhooks-postgres` and `onramp-webhooks-redis` serve many machines.
///
/// Every method is one atomic step: it happened when it returns `Ok`; nothing happened when it returns an error. A call that is
/// dropped before it returns may or may not have happened. Time comes from the caller, so that a store needs no clock.
#[async_trait]
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Claims a key until `lease_until`, for a request whose body has `fingerprint`, unless somebody has it: a request that runs
    /// and whose lease has not ended, or one that is done and has not expired. Of many calls at once, one claims.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn claim(
        &self,
        now: Timestamp,
        claim: Claim,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<Found, StoreError>;

    /// Makes a claim last until `lease_until`. `false`: it was lost, and nothing changed.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn renew(&self, claim: Claim, lease_until: Timestamp) -> Result<bool, StoreError>;

    /// Ends a claim and keeps the reply, durably if the store is, until `expires_at`. `false`: it was lost, and nothing changed. A claim
    /// whose lease has ended, and that nobody took, counts.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn complete(&self, claim: Claim, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError>;

    /// Gives a claimed key up, as if it had never come. `false`: the claim was lost, and nothing changed.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn release(&self, claim: Claim) -> Result<bool, StoreError>;

    /// Returns after a claim was completed or released through this object, if that happened after the first poll. It may return
    /// for nothing, and needs not return for what other processes wrote. Cancel-safe.
    async fn changed(&self);

    /// Removes what is done and has expired, and claims whose lease ended [`ABANDONED`] ago; a bounded number a call. Answers how
    /// many it removed; zero: nothing is left to prune. A store that removes them by itself, then or later, answers zero.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// One request's hold on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "stores and their tests make them, and it cannot grow")]
pub struct Claim {
    /// The key.
    pub key: IdempotencyKey,
    /// The fencing token: a number that no other claim has. Whoever took the key over has another one.
    pub token: i64,
}

impl Claim {
    pub(super) fn new(key: IdempotencyKey) -> Self {
        Self { key, token: fastrand::i64(..) }
    }
}

/// What a store finds under a key that is to be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores make them, and the middleware has to know all")]
pub enum Found {
    /// Nothing that counts: the key is claimed.
    Claimed,
    /// A request that runs.
    Running {
        /// Of its body.
        fingerprint: Fingerprint,
    },
    /// A request that is done.
    Done {
        /// Of its body.
        fingerprint: Fingerprint,
        /// What was kept of its reply.
        reply: Bytes,
    },
}

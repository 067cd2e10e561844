//! The contract of idempotency stores.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::IdempotencyKey;
use crate::body::Hidden;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::fingerprint::Fingerprint;

/// Time after which a claimed key is removed, measured from the end of its lease. A request that stalls for longer has lost its
/// key.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// A store of idempotency keys and replies.
///
/// [`MemoryIdempotencyStore`](super::MemoryIdempotencyStore) serves one process; `onramp-webhooks-sqlite` stores on disk,
/// `onramp-webhooks-postgres` and `onramp-webhooks-redis` serve many machines.
///
/// Every method is atomic: it has taken full effect when it returns `Ok`, and has had no effect when it returns an error. A dropped
/// call may or may not have taken effect. The caller passes the time, so a store needs no clock.
///
/// # Example
/// A complete store, as a starting point for your own:
///
#[doc = concat!("```\n", include_str!("../../docs/map_idempotency_store.rs"))]
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let store = MapIdempotencyStore::default();
/// let key = IdempotencyKey::of(&[b"POST /orders", b"8e03978e-40d5"]);
/// let [first, second] = [1, 2].map(|token| KeyLease { key, token });
/// let (now, lease_until, fingerprint) = (Timestamp::from_millis(0), Timestamp::from_millis(30_000), Fingerprint::of(b"{}"));
///
/// assert_eq!(store.claim(now, first, fingerprint, lease_until).await?, KeyState::Claimed);
/// assert_eq!(store.claim(now, second, fingerprint, lease_until).await?, KeyState::Running { fingerprint });
/// assert!(store.complete(first, "reply".into(), Timestamp::from_millis(86_400_000)).await?);
/// let done = KeyState::Done { fingerprint, reply: "reply".into() };
/// assert_eq!(store.claim(now, second, fingerprint, lease_until).await?, done);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Claims a key until `lease_until` for a request whose body has `fingerprint`.
    ///
    /// A key can be claimed if it is unknown, if the lease of a running request has ended, or if the stored reply has expired. Of
    /// many concurrent calls, exactly one claims the key.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn claim(
        &self,
        now: Timestamp,
        lease: KeyLease,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<KeyState, StoreError>;

    /// Extends a lease to `lease_until`. Returns `false`, without any change, if it was lost.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn renew(&self, lease: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError>;

    /// Ends a lease and stores the reply until `expires_at`, durably if the store is durable. Returns `false`, without any change,
    /// if the lease was lost. An expired lease is not lost until another request claims the key.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn complete(&self, lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError>;

    /// Releases a claimed key, as if it had never been claimed. Returns `false`, without any change, if the lease was lost.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn release(&self, lease: KeyLease) -> Result<bool, StoreError>;

    /// Waits until a lease is completed or released through this object after the first poll. May wake spuriously. Not woken by other
    /// processes. Cancel-safe.
    async fn changed(&self);

    /// Removes expired replies, and claimed keys whose lease ended [`ABANDONED_AFTER`] ago. Removes a bounded number in one call. Returns
    /// the number of removed keys, which is zero if none is left or if the store removes them by itself.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// The lease of one request on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "stores and their tests create it, and it cannot grow")]
pub struct KeyLease {
    /// The key.
    pub key: IdempotencyKey,
    /// The fencing token: a random number, different for every request.
    pub token: i64,
}

impl KeyLease {
    pub(super) fn new(key: IdempotencyKey) -> Self {
        Self { key, token: fastrand::i64(..) }
    }
}

/// The result of claiming a key.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores create it, and the middleware has to know all variants")]
pub enum KeyState {
    /// The key was free and is claimed now.
    Claimed,
    /// A request with the key is running.
    Running {
        /// The fingerprint of its body.
        fingerprint: Fingerprint,
    },
    /// A request with the key is done.
    Done {
        /// The fingerprint of its body.
        fingerprint: Fingerprint,
        /// The stored reply.
        reply: Bytes,
    },
}

/// Leaves out the reply.
impl fmt::Debug for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed => f.write_str("Claimed"),
            Self::Running { fingerprint } => f.debug_struct("Running").field("fingerprint", fingerprint).finish(),
            Self::Done { fingerprint, reply } => {
                f.debug_struct("Done").field("fingerprint", fingerprint).field("reply", &Hidden(reply)).finish()
            }
        }
    }
}

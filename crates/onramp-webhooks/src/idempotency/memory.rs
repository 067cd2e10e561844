//! Idempotency keys and stored replies in memory.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::{ABANDONED_AFTER, IdempotencyKey, IdempotencyStore, KeyLease, KeyState};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::fingerprint::Fingerprint;

/// Default limit of keys.
const MAX_KEYS: usize = 100_000;

/// Default limit of the stored replies, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// An [`IdempotencyStore`] in memory, for one process. It loses everything when the process ends.
///
/// It holds 100 000 keys and replies of 64 MiB at most, or the numbers of [`with_limits`](Self::with_limits). Beyond them, the keys that were
/// completed first are forgotten before their time, and their requests would run again. If all keys are of running requests, no other key can
/// be claimed until one of them ends.
pub struct MemoryIdempotencyStore {
    keys: Mutex<Keys>,
    changed: Notify,
    max_keys: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Keys {
    held: HashMap<IdempotencyKey, Held>,
    /// The completed keys with their tokens, the oldest first, and some that are held no longer.
    completed: VecDeque<KeyLease>,
    /// The size of the stored replies.
    bytes: usize,
}

struct Held {
    token: i64,
    fingerprint: Fingerprint,
    /// `None` while the request runs.
    reply: Option<Bytes>,
    /// The end of the lease, or the expiry of the stored reply.
    until: Timestamp,
}

impl Held {
    fn bytes(&self) -> usize {
        self.reply.as_ref().map_or(0, Bytes::len)
    }
}

impl Default for MemoryIdempotencyStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryIdempotencyStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(MAX_KEYS, MAX_BYTES)
    }

    /// Creates an empty store for so many keys, and for replies of so many bytes.
    #[must_use]
    pub fn with_limits(keys: usize, bytes: usize) -> Self {
        Self { keys: Mutex::default(), changed: Notify::new(), max_keys: keys, max_bytes: bytes }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// Returns a key that is claimed under `lease`; `None` if the lease was lost.
    fn of_lease(&mut self, lease: KeyLease) -> Option<&mut Held> {
        self.held.get_mut(&lease.key).filter(|held| held.token == lease.token && held.reply.is_none())
    }

    fn insert(&mut self, key: IdempotencyKey, held: Held) {
        self.bytes += held.bytes();
        self.bytes -= self.held.insert(key, held).map_or(0, |before| before.bytes());
    }

    /// Forgets the keys that were completed first, until there is room. Returns `false` if there is none.
    fn shrink(&mut self, max_keys: usize, max_bytes: usize) -> bool {
        while self.held.len() > max_keys || self.bytes > max_bytes {
            let Some(oldest) = self.completed.pop_front() else { return false };
            let is_held = self.held.get(&oldest.key).is_some_and(|held| held.token == oldest.token && held.reply.is_some());
            if is_held && let Some(forgotten) = self.held.remove(&oldest.key) {
                self.bytes -= forgotten.bytes();
            }
        }
        true
    }
}

#[async_trait]
impl IdempotencyStore for MemoryIdempotencyStore {
    async fn claim(
        &self,
        now: Timestamp,
        lease: KeyLease,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<KeyState, StoreError> {
        let mut keys = self.keys();
        let found = keys.held.get(&lease.key);
        if let Some(Held { fingerprint, reply, .. }) = found.filter(|held| held.until > now) {
            return Ok(match reply {
                None => KeyState::Running { fingerprint: *fingerprint },
                Some(reply) => KeyState::Done { fingerprint: *fingerprint, reply: reply.clone() },
            });
        }
        if found.is_none() && !keys.shrink(self.max_keys.saturating_sub(1), self.max_bytes) {
            let full = StoreError::new(StoreErrorKind::Unavailable, "claim an idempotency key");
            return Err(full.because("the store in memory is full of running requests"));
        }
        keys.insert(lease.key, Held { token: lease.token, fingerprint, reply: None, until: lease_until });
        Ok(KeyState::Claimed)
    }

    async fn renew(&self, lease: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.keys().of_lease(lease).map(|held| held.until = lease_until).is_some())
    }

    async fn complete(&self, lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        let completed = {
            let mut keys = self.keys();
            let size = reply.len();
            let completed = keys.of_lease(lease).map(|held| (held.reply, held.until) = (Some(reply), expires_at)).is_some();
            if completed {
                keys.bytes += size;
                keys.completed.push_back(lease);
                keys.shrink(self.max_keys, self.max_bytes);
            }
            completed
        };
        self.changed.notify_waiters();
        Ok(completed)
    }

    async fn release(&self, lease: KeyLease) -> Result<bool, StoreError> {
        let released = {
            let mut keys = self.keys();
            keys.of_lease(lease).is_some() && keys.held.remove(&lease.key).is_some()
        };
        self.changed.notify_waiters();
        Ok(released)
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let keys = &mut *self.keys();
        let before = keys.held.len();
        let abandoned = now.before(ABANDONED_AFTER);
        keys.held.retain(|_, held| held.until > if held.reply.is_some() { now } else { abandoned });
        keys.completed.retain(|lease| keys.held.get(&lease.key).is_some_and(|held| held.token == lease.token));
        keys.bytes = keys.held.values().map(Held::bytes).sum();
        Ok((before - keys.held.len()) as u64)
    }
}

/// Leaves out the replies.
impl fmt::Debug for MemoryIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys();
        f.debug_struct("MemoryIdempotencyStore")
            .field("keys", &keys.held.len())
            .field("bytes", &keys.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(number: u8) -> KeyLease {
        KeyLease::new(IdempotencyKey::of(&[&[number]]))
    }

    async fn claim(store: &MemoryIdempotencyStore, lease: KeyLease) -> Result<KeyState, StoreError> {
        let now = Timestamp::from_millis(0);
        store.claim(now, lease, Fingerprint::of(b"{}"), now.after(std::time::Duration::from_secs(30))).await
    }

    async fn complete(store: &MemoryIdempotencyStore, lease: KeyLease, reply: &'static str) {
        assert!(store.complete(lease, reply.into(), Timestamp::from_millis(i64::MAX)).await.unwrap());
    }

    #[tokio::test]
    async fn the_oldest_completed_keys_go_beyond_the_number() {
        let store = MemoryIdempotencyStore::with_limits(3, 1_000);
        let leases = [0, 1, 2, 3, 4].map(lease);
        for lease in &leases[..3] {
            assert_eq!(claim(&store, *lease).await.unwrap(), KeyState::Claimed);
        }
        let error = claim(&store, leases[3]).await.unwrap_err();
        assert!(error.to_string().contains("full of running requests"), "{error}");
        complete(&store, leases[1], "1").await;
        complete(&store, leases[0], "0").await;
        assert_eq!(claim(&store, leases[3]).await.unwrap(), KeyState::Claimed);
        assert!(matches!(claim(&store, leases[0]).await.unwrap(), KeyState::Done { .. }));
        assert!(matches!(claim(&store, leases[2]).await.unwrap(), KeyState::Running { .. }));
        assert_eq!(claim(&store, leases[4]).await.unwrap(), KeyState::Claimed);
        assert!(claim(&store, leases[1]).await.is_err(), "it was forgotten, and all others run");
    }

    #[tokio::test]
    async fn the_oldest_replies_go_beyond_the_bytes() {
        let store = MemoryIdempotencyStore::with_limits(100, 10);
        let leases = [0, 1, 2].map(lease);
        for lease in leases {
            claim(&store, lease).await.unwrap();
            complete(&store, lease, "four").await;
        }
        assert_eq!(store.keys().bytes, 8);
        assert_eq!(claim(&store, lease(0)).await.unwrap(), KeyState::Claimed);
        assert!(matches!(claim(&store, lease(2)).await.unwrap(), KeyState::Done { .. }));
    }

    #[tokio::test]
    async fn nothing_is_left_of_keys_that_are_pruned_or_claimed_again() {
        let store = MemoryIdempotencyStore::with_limits(100, 1_000);
        for _ in 0..10 {
            let lease = lease(0);
            claim(&store, lease).await.unwrap();
            assert!(store.complete(lease, "four".into(), Timestamp::from_millis(0)).await.unwrap());
        }
        assert_eq!(store.keys().bytes, 4);
        store.prune(Timestamp::from_millis(1)).await.unwrap();
        let keys = store.keys();
        assert_eq!((keys.held.len(), keys.completed.len(), keys.bytes), (0, 0, 0));
    }
}

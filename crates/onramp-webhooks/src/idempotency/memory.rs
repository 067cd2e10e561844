//! Idempotency keys and stored replies in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::{ABANDONED_AFTER, IdempotencyKey, IdempotencyStore, KeyLease, KeyState};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::fingerprint::Fingerprint;

/// An [`IdempotencyStore`] in memory, for one process. It loses everything when the process ends.
#[derive(Debug, Default)]
pub struct MemoryIdempotencyStore {
    held: Mutex<HashMap<IdempotencyKey, Held>>,
    changed: Notify,
}

#[derive(Debug)]
struct Held {
    token: i64,
    fingerprint: Fingerprint,
    /// `None` while the request runs.
    reply: Option<Bytes>,
    /// The end of the lease, or the expiry of the stored reply.
    until: Timestamp,
}

impl MemoryIdempotencyStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IdempotencyKey, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies `change` to a key that is claimed under `lease`. Returns `false` if the lease was lost.
    fn of_lease(&self, lease: KeyLease, change: impl FnOnce(&mut Held)) -> bool {
        let mut held = self.held();
        let found = held.get_mut(&lease.key).filter(|held| held.token == lease.token && held.reply.is_none());
        found.map(change).is_some()
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
        let claimed = Held { token: lease.token, fingerprint, reply: None, until: lease_until };
        match self.held().entry(lease.key) {
            Entry::Occupied(mut entry) if entry.get().until <= now => drop(entry.insert(claimed)),
            Entry::Occupied(entry) => {
                let Held { fingerprint, reply, .. } = entry.get();
                return Ok(match reply {
                    None => KeyState::Running { fingerprint: *fingerprint },
                    Some(reply) => KeyState::Done { fingerprint: *fingerprint, reply: reply.clone() },
                });
            }
            Entry::Vacant(entry) => drop(entry.insert(claimed)),
        }
        Ok(KeyState::Claimed)
    }

    async fn renew(&self, lease: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.of_lease(lease, |held| held.until = lease_until))
    }

    async fn complete(&self, lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        let completed = self.of_lease(lease, |held| {
            held.reply = Some(reply);
            held.until = expires_at;
        });
        self.changed.notify_waiters();
        Ok(completed)
    }

    async fn release(&self, lease: KeyLease) -> Result<bool, StoreError> {
        let released = {
            let mut held = self.held();
            let is_held = held.get(&lease.key).is_some_and(|held| held.token == lease.token && held.reply.is_none());
            is_held && held.remove(&lease.key).is_some()
        };
        self.changed.notify_waiters();
        Ok(released)
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut held = self.held();
        let before = held.len();
        let abandoned = now.before(ABANDONED_AFTER);
        held.retain(|_, held| held.until > if held.reply.is_some() { now } else { abandoned });
        Ok((before - held.len()) as u64)
    }
}

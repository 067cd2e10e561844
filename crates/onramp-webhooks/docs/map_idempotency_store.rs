use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use onramp_webhooks::async_trait;
use onramp_webhooks::store::*;
use tokio::sync::Notify;

/// Keys and replies in a map.
#[derive(Debug, Default)]
pub struct MapIdempotencyStore {
    keys: Mutex<HashMap<IdempotencyKey, Claimed>>,
    changed: Notify,
}

#[derive(Debug)]
struct Claimed {
    token: i64,
    fingerprint: Fingerprint,
    /// `None` while the request runs.
    reply: Option<Bytes>,
    /// The end of the lease, or of the time for which the reply is stored.
    until: Timestamp,
}

impl Claimed {
    fn runs_under(&self, lease: KeyLease) -> bool {
        self.token == lease.token && self.reply.is_none()
    }
}

impl MapIdempotencyStore {
    /// Changes a key whose request runs under `lease`. Returns `false` if the lease was lost.
    fn change(&self, lease: KeyLease, change: impl FnOnce(&mut Claimed)) -> bool {
        let mut keys = self.keys.lock().unwrap();
        keys.get_mut(&lease.key).filter(|claimed| claimed.runs_under(lease)).map(change).is_some()
    }
}

#[async_trait]
impl IdempotencyStore for MapIdempotencyStore {
    async fn claim(
        &self,
        now: Timestamp,
        lease: KeyLease,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<KeyState, StoreError> {
        let mut keys = self.keys.lock().unwrap();
        if let Some(Claimed { fingerprint, reply, .. }) = keys.get(&lease.key).filter(|claimed| claimed.until > now) {
            return Ok(match reply.clone() {
                None => KeyState::Running { fingerprint: *fingerprint },
                Some(reply) => KeyState::Done { fingerprint: *fingerprint, reply },
            });
        }
        keys.insert(lease.key, Claimed { token: lease.token, fingerprint, reply: None, until: lease_until });
        Ok(KeyState::Claimed)
    }

    async fn renew(&self, lease: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.change(lease, |claimed| claimed.until = lease_until))
    }

    async fn complete(&self, lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        let completed = self.change(lease, |claimed| (claimed.reply, claimed.until) = (Some(reply), expires_at));
        self.changed.notify_waiters();
        Ok(completed)
    }

    async fn release(&self, lease: KeyLease) -> Result<bool, StoreError> {
        let mut keys = self.keys.lock().unwrap();
        let is_held = keys.get(&lease.key).is_some_and(|claimed| claimed.runs_under(lease));
        if is_held {
            keys.remove(&lease.key);
        }
        self.changed.notify_waiters();
        Ok(is_held)
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut keys = self.keys.lock().unwrap();
        let before = keys.len();
        let abandoned = now.before(ABANDONED_AFTER);
        keys.retain(|_, claimed| claimed.until > if claimed.reply.is_some() { now } else { abandoned });
        Ok((before - keys.len()) as u64)
    }
}

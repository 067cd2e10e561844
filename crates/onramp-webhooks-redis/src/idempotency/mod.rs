//! Idempotency keys and stored replies.

mod expiry;
mod scripts;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyLease, KeyState};
use onramp_webhooks::{StoreError, StoreErrorKind};
use redis::aio::ConnectionLike;
use tokio::sync::Notify;

use crate::RedisOptions;
use crate::db::Server;

/// An [`IdempotencyStore`] in Redis.
///
/// Any number of stores, on any number of machines, may share a prefix. Redis may lose keys: see
/// [what Redis promises](crate#what-redis-promises). Cheap to clone.
#[derive(Clone)]
pub struct RedisIdempotencyStore {
    server: Server,
    ends: Arc<Notify>,
}

impl RedisIdempotencyStore {
    /// Opens the store under the prefix `onramp`, over the application's own connection. See [`RedisOptions::new`] for the requirements.
    ///
    /// # Errors
    /// Returns the errors of [`RedisOptions::open_idempotency_store`].
    pub async fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Result<Self, StoreError> {
        RedisOptions::new(connection).open_idempotency_store().await
    }

    /// Connects to `url` and opens the store under the prefix `onramp`.
    ///
    /// # Errors
    /// Returns the errors of [`RedisOptions::connect`] and [`RedisOptions::open_idempotency_store`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        RedisOptions::connect(url).await?.open_idempotency_store().await
    }

    pub(crate) fn of(server: Server) -> Self {
        Self { server, ends: Arc::default() }
    }
}

#[async_trait]
impl IdempotencyStore for RedisIdempotencyStore {
    async fn claim(
        &self,
        now: Timestamp,
        lease: KeyLease,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<KeyState, StoreError> {
        let arguments = |before| {
            let (token, rest) = (text(lease.token), text(expiry::rest(now, lease_until)));
            let fingerprint = fingerprint.as_bytes().to_vec();
            vec![text(now.as_millis()), token, fingerprint, text(lease_until.as_millis()), rest, is_repeated(before)]
        };
        let found: Vec<Bytes> = self.server.run("claim a key", &scripts::CLAIM, &lease.key, arguments).await?;
        read(&found)
    }

    async fn renew(&self, lease: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError> {
        let (margin, longest) = (text(expiry::of_claims()), text(expiry::LONGEST));
        let arguments = |_| vec![text(lease.token), text(lease_until.as_millis()), margin.clone(), longest.clone()];
        self.server.run("renew a key", &scripts::RENEW, &lease.key, arguments).await
    }

    async fn complete(&self, lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        let (margin, longest) = (text(expiry::of_replies()), text(expiry::LONGEST));
        let arguments = |before| {
            let expires_at = text(expires_at.as_millis());
            vec![text(lease.token), expires_at, margin.clone(), longest.clone(), reply.to_vec(), is_repeated(before)]
        };
        let completed = self.server.run("store a reply", &scripts::COMPLETE, &lease.key, arguments).await?;
        self.ends.notify_waiters();
        Ok(completed)
    }

    async fn release(&self, lease: KeyLease) -> Result<bool, StoreError> {
        let released = self.server.run("release a key", &scripts::RELEASE, &lease.key, |_| vec![text(lease.token)]).await?;
        self.ends.notify_waiters();
        Ok(released)
    }

    async fn changed(&self) {
        self.ends.notified().await;
    }

    /// Does nothing, because Redis removes expired entries.
    async fn prune(&self, _now: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl fmt::Debug for RedisIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisIdempotencyStore").field("prefix", &self.server.prefix).finish_non_exhaustive()
    }
}

fn text(number: impl ToString) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Returns the argument that marks a retried call, which may have run before although its reply was lost.
fn is_repeated(before: u32) -> Vec<u8> {
    text(u8::from(before > 0))
}

/// Parses the result of the claim script: nothing, a fingerprint, or a fingerprint and a reply.
fn read(found: &[Bytes]) -> Result<KeyState, StoreError> {
    let Some((fingerprint, reply)) = found.split_first() else { return Ok(KeyState::Claimed) };
    let foreign = || {
        StoreError::new(StoreErrorKind::Unusable, "claim a key")
            .because("the value stored under it was not written by this store")
    };
    let fingerprint = Fingerprint::from_bytes(fingerprint.as_ref().try_into().map_err(|_| foreign())?);
    Ok(match reply.first() {
        None => KeyState::Running { fingerprint },
        Some(reply) => KeyState::Done { fingerprint, reply: reply.clone() },
    })
}

//! Idempotency keys and stored replies.

mod rows;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyLease, KeyState};
use sqlx::PgPool;
use tokio::sync::Notify;

use self::rows::Attempt;
use crate::PostgresOptions;
use crate::db::{Database, Limit, connect};

/// An [`IdempotencyStore`] in one schema of a PostgreSQL database.
///
/// Any number of stores and inboxes, on any number of machines, may share a schema. A call returns after the commit of its changes
/// has reached the server's disk. Cheap to clone.
#[derive(Clone)]
pub struct PostgresIdempotencyStore {
    database: Database,
    ends: Arc<Notify>,
}

impl PostgresIdempotencyStore {
    /// Opens the store in the schema `onramp` of the application's own pool.
    ///
    /// # Errors
    /// Returns the errors of [`PostgresOptions::open`].
    pub async fn new(pool: PgPool) -> Result<Self, StoreError> {
        PostgresOptions::new(pool).open_idempotency_store().await
    }

    /// Connects a pool to `url` and opens the store in its schema `onramp`.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid or the server cannot be reached, and the errors of [`PostgresOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::new(connect(url).await?).await
    }

    pub(crate) const fn of(database: Database, ends: Arc<Notify>) -> Self {
        Self { database, ends }
    }

    /// Runs a statement that changes at most the row of `claim`, and returns whether it did.
    async fn changes(
        &self,
        context: &'static str,
        statement: &'static str,
        lease: KeyLease,
        reply: Option<&[u8]>,
        until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let change = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let query = self.database.schema.query(statement).bind(lease.key.as_bytes().as_slice()).bind(lease.token);
            let query = if let Some(until) = until { query.bind(until.as_millis()) } else { query };
            let query = if let Some(reply) = reply { query.bind(reply) } else { query };
            let changed = query.execute(&mut *transaction).await?.rows_affected();
            transaction.commit().await?;
            Ok(changed > 0)
        };
        self.database.tried(context, Limit::Prompt, change).await
    }
}

#[async_trait]
impl IdempotencyStore for PostgresIdempotencyStore {
    async fn claim(
        &self,
        now: Timestamp,
        lease: KeyLease,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<KeyState, StoreError> {
        let claim = |before| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let attempt = Attempt { now, lease, fingerprint, lease_until, is_repeated: before > 0 };
            let found = rows::claim(&mut transaction, &self.database.schema, &attempt).await?;
            transaction.commit().await?;
            Ok(found)
        };
        self.database.tried("claim a key", Limit::Prompt, claim).await
    }

    async fn renew(&self, lease: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError> {
        self.changes("renew a key", rows::RENEW, lease, None, Some(lease_until)).await
    }

    async fn complete(&self, lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        let completed = self.changes("store a reply", rows::COMPLETE, lease, Some(&reply), Some(expires_at)).await?;
        self.ends.notify_waiters();
        Ok(completed)
    }

    async fn release(&self, lease: KeyLease) -> Result<bool, StoreError> {
        let released = self.changes("release a key", rows::RELEASE, lease, None, None).await?;
        self.ends.notify_waiters();
        Ok(released)
    }

    async fn changed(&self) {
        self.ends.notified().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let prune = |_| async move {
            let mut transaction = self.database.begin(Limit::Patient).await?;
            let pruned = rows::prune(&mut transaction, &self.database.schema, now).await?;
            transaction.commit().await?;
            Ok(pruned)
        };
        self.database.tried("prune keys", Limit::Patient, prune).await
    }
}

impl fmt::Debug for PostgresIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresIdempotencyStore").field("schema", &self.database.schema.name()).finish_non_exhaustive()
    }
}

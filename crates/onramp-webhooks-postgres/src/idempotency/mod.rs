//! Idempotency keys and kept replies.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{ABANDONED, Claim, Found, IdempotencyStore};
use sqlx::{Error, PgConnection, PgPool, Row};
use tokio::sync::Notify;

use crate::database::{Database, Limit};
use crate::schema::Schema;
use crate::{PostgresOptions, column, connection};

/// The most keys of a kind that one call of `prune` removes, so that no transaction grows large.
const ROUND: i64 = 1_000;

/// How often a key is asked for that is taken, and whose holder is gone when we look.
const LOOKS: usize = 5;

/// An [`IdempotencyStore`] in one schema of a PostgreSQL database. Any number of them, and of inboxes, on any number of machines, may
/// share a schema.
///
/// Every answer comes after the commit that holds it has reached the server's disk. Cheap to clone.
#[derive(Clone)]
pub struct PostgresIdempotencyStore {
    database: Database,
    ends: Arc<Notify>,
}

impl PostgresIdempotencyStore {
    /// Opens the store in the schema `onramp` of the application's own pool.
    ///
    /// # Errors
    /// As [`PostgresOptions::open`].
    pub async fn new(pool: PgPool) -> Result<Self, StoreError> {
        PostgresOptions::new(pool).open_idempotency_store().await
    }

    /// Connects a pool to `url` and opens the store in its schema `onramp`.
    ///
    /// # Errors
    /// When the server cannot be reached, and as [`PostgresOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::new(connection::pool(url).await?).await
    }

    pub(crate) const fn of(database: Database, ends: Arc<Notify>) -> Self {
        Self { database, ends }
    }

    /// Runs a statement that changes at most the row of `claim`, and answers whether it did.
    async fn changes(
        &self,
        context: &'static str,
        statement: &'static str,
        claim: Claim,
        reply: Option<&[u8]>,
        until: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let change = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let query = sqlx::query(self.database.schema.sql(statement)).bind(claim.key.as_bytes().as_slice()).bind(claim.token);
            let query = if let Some(until) = until { query.bind(until.as_millis()) } else { query };
            let query = if let Some(reply) = reply { query.bind(reply) } else { query };
            let changed = query.execute(&mut *transaction).await?.rows_affected();
            transaction.commit().await?;
            Ok(changed > 0)
        };
        self.database.tried(context, Limit::Prompt, change).await
    }
}

const RENEW: &str = "UPDATE onramp.idempotency SET until = $3 WHERE key = $1 AND token = $2 AND reply IS NULL";
const COMPLETE: &str = "UPDATE onramp.idempotency SET until = $3, reply = $4 WHERE key = $1 AND token = $2 AND reply IS NULL";
const RELEASE: &str = "DELETE FROM onramp.idempotency WHERE key = $1 AND token = $2 AND reply IS NULL";

#[async_trait]
impl IdempotencyStore for PostgresIdempotencyStore {
    async fn claim(
        &self,
        now: Timestamp,
        claim: Claim,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<Found, StoreError> {
        let claim = |before| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let asks = Asks { now, claim, fingerprint, lease_until, again: before > 0 };
            let found = claim_key(&mut transaction, &self.database.schema, &asks).await?;
            transaction.commit().await?;
            Ok(found)
        };
        self.database.tried("claim a key", Limit::Prompt, claim).await
    }

    async fn renew(&self, claim: Claim, lease_until: Timestamp) -> Result<bool, StoreError> {
        self.changes("renew a key", RENEW, claim, None, Some(lease_until)).await
    }

    async fn complete(&self, claim: Claim, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        let completed = self.changes("keep a reply", COMPLETE, claim, Some(&reply), Some(expires_at)).await?;
        self.ends.notify_waiters();
        Ok(completed)
    }

    async fn release(&self, claim: Claim) -> Result<bool, StoreError> {
        let released = self.changes("release a key", RELEASE, claim, None, None).await?;
        self.ends.notify_waiters();
        Ok(released)
    }

    async fn changed(&self) {
        self.ends.notified().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let prune = |_| async move {
            let mut transaction = self.database.begin(Limit::Patient).await?;
            let pruned = prune(&mut transaction, &self.database.schema, now).await?;
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

/// A request that asks for a key.
struct Asks {
    now: Timestamp,
    claim: Claim,
    fingerprint: Fingerprint,
    lease_until: Timestamp,
    /// It asked before, and may have got the key without hearing of it.
    again: bool,
}

/// Claims a key that is new, or whose time is over; finds who has it otherwise.
async fn claim_key(connection: &mut PgConnection, schema: &Schema, asks: &Asks) -> sqlx::Result<Found> {
    let claim = "INSERT INTO onramp.idempotency AS held (key, token, fingerprint, until) VALUES ($1, $2, $3, $4)
         ON CONFLICT (key) DO UPDATE
         SET token = excluded.token, fingerprint = excluded.fingerprint, until = excluded.until, reply = NULL
         WHERE held.until <= $5";
    let find = "SELECT token, fingerprint, reply FROM onramp.idempotency WHERE key = $1";
    let key = asks.claim.key.as_bytes().as_slice();
    for _ in 0..LOOKS {
        let claimed = sqlx::query(schema.sql(claim))
            .bind(key)
            .bind(asks.claim.token)
            .bind(asks.fingerprint.as_bytes().as_slice())
            .bind(asks.lease_until.as_millis())
            .bind(asks.now.as_millis())
            .execute(&mut *connection)
            .await?;
        if claimed.rows_affected() > 0 {
            return Ok(Found::Claimed);
        }
        if let Some(row) = sqlx::query(schema.sql(find)).bind(key).fetch_optional(&mut *connection).await? {
            let fingerprint = column::fingerprint(&row)?;
            return Ok(match row.try_get::<Option<Vec<u8>>, _>("reply")? {
                None if asks.again && row.try_get::<i64, _>("token")? == asks.claim.token => Found::Claimed,
                None => Found::Running { fingerprint },
                Some(reply) => Found::Done { fingerprint, reply: reply.into() },
            });
        }
    }
    Err(Error::RowNotFound)
}

/// Removes what has expired, the oldest first.
async fn prune(connection: &mut PgConnection, schema: &Schema, now: Timestamp) -> sqlx::Result<u64> {
    let done = "DELETE FROM onramp.idempotency WHERE key IN
        (SELECT key FROM onramp.idempotency WHERE reply IS NOT NULL AND until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let abandoned = "DELETE FROM onramp.idempotency WHERE key IN
        (SELECT key FROM onramp.idempotency WHERE reply IS NULL AND until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let mut pruned = 0;
    for (statement, until) in [(done, now), (abandoned, now.before(ABANDONED))] {
        let removed = sqlx::query(schema.sql(statement)).bind(until.as_millis()).bind(ROUND).execute(&mut *connection).await?;
        pruned += removed.rows_affected();
    }
    Ok(pruned)
}

//! Idempotency keys and kept replies, over the same writer as the inbox.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{ABANDONED, Claim, Found, IdempotencyStore};
use rusqlite::{Connection, Row, params};

use crate::SqliteOptions;
use crate::writer::{Effect, Writer};

/// The most keys of a kind that one call of `prune` removes, so that no commit keeps requests waiting for long.
const ROUND: u32 = 250;

/// An [`IdempotencyStore`] in one SQLite file. Any number of them, and of inboxes, in any number of processes on one machine, may
/// share a file; beside an inbox in the same process, [`SqliteInbox::idempotency_store`](crate::SqliteInbox::idempotency_store)
/// gives one.
///
/// Every answer comes after the commit that holds it has reached the disk: a request runs when its claim is there, and its client
/// gets the reply when that is. Cheap to clone; clones share their thread.
#[derive(Clone)]
pub struct SqliteIdempotencyStore {
    options: Arc<SqliteOptions>,
    writer: Writer,
}

impl SqliteIdempotencyStore {
    /// Opens the store in the file at `path`, which is made when it is missing.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path).open_idempotency_store().await
    }

    pub(crate) async fn start(options: SqliteOptions) -> Result<Self, StoreError> {
        let writer = Writer::start(options.clone()).await?;
        Ok(Self::sharing(Arc::new(options), writer))
    }

    pub(crate) const fn sharing(options: Arc<SqliteOptions>, writer: Writer) -> Self {
        Self { options, writer }
    }
}

#[async_trait]
impl IdempotencyStore for SqliteIdempotencyStore {
    async fn claim(
        &self,
        now: Timestamp,
        claim: Claim,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<Found, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| claim_key(batch.connection, now, claim, fingerprint, lease_until)).await
    }

    async fn renew(&self, claim: Claim, lease_until: Timestamp) -> Result<bool, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| renew(batch.connection, claim, lease_until)).await
    }

    async fn complete(&self, claim: Claim, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        self.writer.call(Effect::EndsRequest, move |batch| complete(batch.connection, claim, &reply, expires_at)).await
    }

    async fn release(&self, claim: Claim) -> Result<bool, StoreError> {
        self.writer.call(Effect::EndsRequest, move |batch| release(batch.connection, claim)).await
    }

    async fn changed(&self) {
        self.writer.end().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| prune(batch.connection, now)).await
    }
}

impl fmt::Debug for SqliteIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteIdempotencyStore").field("path", &self.options.path).finish_non_exhaustive()
    }
}

/// Claims a key that is new, or whose time is over; finds who has it otherwise.
fn claim_key(
    connection: &Connection,
    now: Timestamp,
    claim: Claim,
    fingerprint: Fingerprint,
    lease_until: Timestamp,
) -> rusqlite::Result<Found> {
    let claimed = connection
        .prepare_cached(
            "INSERT INTO onramp_idempotency (key, token, fingerprint, until) VALUES (?, ?, ?, ?)
             ON CONFLICT (key) DO UPDATE
             SET token = excluded.token, fingerprint = excluded.fingerprint, until = excluded.until, reply = NULL
             WHERE until <= ?",
        )?
        .execute(params![
            claim.key.as_bytes().as_slice(),
            claim.token,
            fingerprint.as_bytes().as_slice(),
            lease_until.as_millis(),
            now.as_millis(),
        ])?;
    if claimed > 0 {
        return Ok(Found::Claimed);
    }
    connection
        .prepare_cached("SELECT fingerprint, reply FROM onramp_idempotency WHERE key = ?")?
        .query_row([claim.key.as_bytes().as_slice()], found)
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let fingerprint = Fingerprint::from_bytes(row.get(0)?);
    Ok(match row.get::<_, Option<Vec<u8>>>(1)? {
        None => Found::Running { fingerprint },
        Some(reply) => Found::Done { fingerprint, reply: reply.into() },
    })
}

/// Prolongs a claim; `false`: it was lost.
fn renew(connection: &Connection, claim: Claim, until: Timestamp) -> rusqlite::Result<bool> {
    let renewed = connection
        .prepare_cached("UPDATE onramp_idempotency SET until = ? WHERE key = ? AND token = ? AND reply IS NULL")?
        .execute(params![until.as_millis(), claim.key.as_bytes().as_slice(), claim.token])?;
    Ok(renewed > 0)
}

/// Ends a claim with a reply; `false`: it was lost.
fn complete(connection: &Connection, claim: Claim, reply: &[u8], until: Timestamp) -> rusqlite::Result<bool> {
    let completed = connection
        .prepare_cached("UPDATE onramp_idempotency SET reply = ?, until = ? WHERE key = ? AND token = ? AND reply IS NULL")?
        .execute(params![reply, until.as_millis(), claim.key.as_bytes().as_slice(), claim.token])?;
    Ok(completed > 0)
}

/// Ends a claim without a trace; `false`: it was lost.
fn release(connection: &Connection, claim: Claim) -> rusqlite::Result<bool> {
    let released = connection
        .prepare_cached("DELETE FROM onramp_idempotency WHERE key = ? AND token = ? AND reply IS NULL")?
        .execute(params![claim.key.as_bytes().as_slice(), claim.token])?;
    Ok(released > 0)
}

/// Removes what has expired, the oldest first.
fn prune(connection: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    let done = "DELETE FROM onramp_idempotency WHERE id IN
        (SELECT id FROM onramp_idempotency WHERE reply IS NOT NULL AND until <= ? ORDER BY until LIMIT ?)";
    let abandoned = "DELETE FROM onramp_idempotency WHERE id IN
        (SELECT id FROM onramp_idempotency WHERE reply IS NULL AND until <= ? ORDER BY until LIMIT ?)";
    let mut pruned = 0;
    for (statement, until) in [(done, now), (abandoned, now.before(ABANDONED))] {
        pruned += connection.prepare_cached(statement)?.execute(params![until.as_millis(), ROUND])? as u64;
    }
    Ok(pruned)
}

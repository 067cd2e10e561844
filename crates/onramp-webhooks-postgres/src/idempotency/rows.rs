//! Statements on the rows of idempotency keys.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{ABANDONED_AFTER, KeyLease, KeyState};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, Row};

use crate::db::{Schema, column};

/// The maximum number of keys of a kind in one call of `prune`, so that no transaction grows large.
const ROUND: i64 = 1_000;

/// The number of attempts to claim a key if the row that holds it is removed before it can be read.
const ATTEMPTS: usize = 5;

pub(super) const RENEW: &str = "UPDATE onramp.idempotency SET until = $3 WHERE key = $1 AND token = $2 AND reply IS NULL";
pub(super) const COMPLETE: &str =
    "UPDATE onramp.idempotency SET until = $3, reply = $4 WHERE key = $1 AND token = $2 AND reply IS NULL";
pub(super) const RELEASE: &str = "DELETE FROM onramp.idempotency WHERE key = $1 AND token = $2 AND reply IS NULL";

/// An attempt to claim a key.
pub(super) struct Attempt {
    pub(super) now: Timestamp,
    pub(super) lease: KeyLease,
    pub(super) fingerprint: Fingerprint,
    pub(super) lease_until: Timestamp,
    /// The call was tried before, and may have claimed the key although its reply was lost.
    pub(super) is_repeated: bool,
}

const CLAIM: &str = "INSERT INTO onramp.idempotency AS held (key, token, fingerprint, until) VALUES ($1, $2, $3, $4)
     ON CONFLICT (key) DO UPDATE
     SET token = excluded.token, fingerprint = excluded.fingerprint, until = excluded.until, reply = NULL
     WHERE held.until <= $5";
const FIND: &str = "SELECT token, fingerprint, reply FROM onramp.idempotency WHERE key = $1";

/// Claims a key that is new or has expired. Returns the state of any other key.
pub(super) async fn claim(connection: &mut PgConnection, schema: &Schema, attempt: &Attempt) -> sqlx::Result<KeyState> {
    let key = attempt.lease.key.as_bytes().as_slice();
    for _ in 0..ATTEMPTS {
        let claimed = schema
            .query(CLAIM)
            .bind(key)
            .bind(attempt.lease.token)
            .bind(attempt.fingerprint.as_bytes().as_slice())
            .bind(attempt.lease_until.as_millis())
            .bind(attempt.now.as_millis())
            .execute(&mut *connection)
            .await?;
        if claimed.rows_affected() > 0 {
            return Ok(KeyState::Claimed);
        }
        if let Some(row) = schema.query(FIND).bind(key).fetch_optional(&mut *connection).await? {
            return found(&row, attempt);
        }
    }
    Err(Error::RowNotFound)
}

fn found(row: &PgRow, attempt: &Attempt) -> sqlx::Result<KeyState> {
    let fingerprint = column::fingerprint(row)?;
    Ok(match row.try_get::<Option<Vec<u8>>, _>("reply")? {
        None if attempt.is_repeated && row.try_get::<i64, _>("token")? == attempt.lease.token => KeyState::Claimed,
        None => KeyState::Running { fingerprint },
        Some(reply) => KeyState::Done { fingerprint, reply: reply.into() },
    })
}

const PRUNE_DONE: &str = "DELETE FROM onramp.idempotency WHERE key IN
    (SELECT key FROM onramp.idempotency WHERE reply IS NOT NULL AND until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)";
const PRUNE_ABANDONED: &str = "DELETE FROM onramp.idempotency WHERE key IN
    (SELECT key FROM onramp.idempotency WHERE reply IS NULL AND until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Removes expired keys, the oldest first.
pub(super) async fn prune(connection: &mut PgConnection, schema: &Schema, now: Timestamp) -> sqlx::Result<u64> {
    let mut pruned = 0;
    for (statement, until) in [(PRUNE_DONE, now), (PRUNE_ABANDONED, now.before(ABANDONED_AFTER))] {
        let removed = schema.query(statement).bind(until.as_millis()).bind(ROUND).execute(&mut *connection).await?;
        pruned += removed.rows_affected();
    }
    Ok(pruned)
}

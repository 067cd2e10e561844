//! Statements on the rows of idempotency keys.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{ABANDONED_AFTER, KeyLease, KeyState};
use rusqlite::{Connection, Row, params};

/// The maximum number of keys of a kind in one call of `prune`, so that no commit keeps requests waiting for long.
const ROUND: u32 = 250;

const CLAIM: &str = "INSERT INTO onramp_idempotency (key, token, fingerprint, until) VALUES (?, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE
     SET token = excluded.token, fingerprint = excluded.fingerprint, until = excluded.until, reply = NULL
     WHERE until <= ?";
const FIND: &str = "SELECT fingerprint, reply FROM onramp_idempotency WHERE key = ?";

/// Claims a key that is new or has expired. Returns the state of any other key.
pub(super) fn claim(
    connection: &Connection,
    now: Timestamp,
    lease: KeyLease,
    fingerprint: Fingerprint,
    lease_until: Timestamp,
) -> rusqlite::Result<KeyState> {
    let key = lease.key.as_bytes().as_slice();
    let values = params![key, lease.token, fingerprint.as_bytes().as_slice(), lease_until.as_millis(), now.as_millis()];
    if connection.prepare_cached(CLAIM)?.execute(values)? > 0 {
        return Ok(KeyState::Claimed);
    }
    connection.prepare_cached(FIND)?.query_row([key], found)
}

fn found(row: &Row<'_>) -> rusqlite::Result<KeyState> {
    let fingerprint = Fingerprint::from_bytes(row.get(0)?);
    Ok(match row.get::<_, Option<Vec<u8>>>(1)? {
        None => KeyState::Running { fingerprint },
        Some(reply) => KeyState::Done { fingerprint, reply: reply.into() },
    })
}

/// Renews a claim. Returns `false` if it was lost.
pub(super) fn renew(connection: &Connection, lease: KeyLease, until: Timestamp) -> rusqlite::Result<bool> {
    let renewed = connection
        .prepare_cached("UPDATE onramp_idempotency SET until = ? WHERE key = ? AND token = ? AND reply IS NULL")?
        .execute(params![until.as_millis(), lease.key.as_bytes().as_slice(), lease.token])?;
    Ok(renewed > 0)
}

/// Ends a claim with a reply. Returns `false` if it was lost.
pub(super) fn complete(connection: &Connection, lease: KeyLease, reply: &[u8], until: Timestamp) -> rusqlite::Result<bool> {
    let completed = connection
        .prepare_cached("UPDATE onramp_idempotency SET reply = ?, until = ? WHERE key = ? AND token = ? AND reply IS NULL")?
        .execute(params![reply, until.as_millis(), lease.key.as_bytes().as_slice(), lease.token])?;
    Ok(completed > 0)
}

/// Ends a claim and removes its key. Returns `false` if it was lost.
pub(super) fn release(connection: &Connection, lease: KeyLease) -> rusqlite::Result<bool> {
    let released = connection
        .prepare_cached("DELETE FROM onramp_idempotency WHERE key = ? AND token = ? AND reply IS NULL")?
        .execute(params![lease.key.as_bytes().as_slice(), lease.token])?;
    Ok(released > 0)
}

const PRUNE_DONE: &str = "DELETE FROM onramp_idempotency WHERE id IN
    (SELECT id FROM onramp_idempotency WHERE reply IS NOT NULL AND until <= ? ORDER BY until LIMIT ?)";
const PRUNE_ABANDONED: &str = "DELETE FROM onramp_idempotency WHERE id IN
    (SELECT id FROM onramp_idempotency WHERE reply IS NULL AND until <= ? ORDER BY until LIMIT ?)";

/// Removes expired keys, the oldest first.
pub(super) fn prune(connection: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    let mut pruned = 0;
    for (statement, until) in [(PRUNE_DONE, now), (PRUNE_ABANDONED, now.before(ABANDONED_AFTER))] {
        pruned += connection.prepare_cached(statement)?.execute(params![until.as_millis(), ROUND])? as u64;
    }
    Ok(pruned)
}

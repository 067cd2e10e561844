//! Settlement of leases.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, Lease, Settled, Settlement, State};
use rusqlite::{CachedStatement, Connection, params};

use super::state::{LEASED, sql};

sql!(
    SETTLE = "UPDATE onramp_deliveries
     SET state = ?, due_at = ?, settled_at = ?, cause = ?, attempts = attempts + ?, note = CASE WHEN ? THEN ? ELSE note END
     WHERE id = ? AND fence = ? AND state = {LEASED}"
);

/// Settles leases, and returns those that were lost.
pub(super) fn settle(connection: &Connection, now: Timestamp, settlements: &[Settlement]) -> rusqlite::Result<Vec<Lease>> {
    let mut update = connection.prepare_cached(&SETTLE)?;
    let mut lost = Vec::new();
    for settlement in settlements {
        if !settle_one(&mut update, now, settlement)? {
            lost.push(settlement.lease);
        }
    }
    Ok(lost)
}

fn settle_one(update: &mut CachedStatement<'_>, now: Timestamp, settlement: &Settlement) -> rusqlite::Result<bool> {
    let settled_at = Some(now.as_millis());
    let (state, due_at, settled_at, attempts, note) = match &settlement.outcome {
        Settled::Handled => (State::Handled, None, settled_at, 1, Some(None)),
        Settled::Retry { at, error } => (State::Retrying, Some(due(*at)), None, 1, Some(Some(error))),
        Settled::Parked { until, reason } => (State::Parked, Some(due(*until)), None, 0, Some(Some(reason))),
        Settled::Dead { error, .. } => (State::Dead, None, settled_at, 1, Some(Some(error))),
        // An outcome that only a later version of the core knows releases the delivery, so that it is not lost.
        Settled::Released | _ => (State::Pending, Some(0), None, 0, None),
    };
    let changed = update.execute(params![
        state.as_u8(),
        due_at,
        settled_at,
        settlement.outcome.cause().map(DeadCause::as_u8),
        attempts,
        note.is_some(),
        note.flatten(),
        settlement.lease.id.as_i64(),
        settlement.lease.fence,
    ])?;
    Ok(changed > 0)
}

/// Returns the column's value for a time. Zero means "now" in the column, so the value is at least one.
fn due(at: Timestamp) -> i64 {
    at.as_millis().max(1)
}

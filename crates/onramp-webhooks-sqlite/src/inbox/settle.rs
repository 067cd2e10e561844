//! Settlement of leases.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, Lease, Settled, Settlement, State};
use rusqlite::{Connection, params};

use super::queue::promote_after;
use super::state::{LEASED, sql};

sql!(
    SETTLE = "UPDATE onramp_deliveries
     SET state = ?1, settled_at = ?2, cause = ?3, attempts = attempts + ?4, note = CASE ?5 WHEN 1 THEN ?6 ELSE note END,
        lease_until = NULL, lost_claims = 0,
        due_at = CASE WHEN stage IS NULL OR subject IS NULL THEN CASE ?7 WHEN 1 THEN due_at ELSE ?8 END END,
        waits_at = CASE WHEN stage IS NOT NULL AND subject IS NOT NULL THEN CASE ?7 WHEN 1 THEN due_at ELSE ?8 END END
     WHERE id = ?9 AND fence = ?10 AND state = {LEASED}"
);

/// Settles leases, and returns those that were lost.
pub(super) fn settle(connection: &Connection, now: Timestamp, settlements: &[Settlement]) -> rusqlite::Result<Vec<Lease>> {
    let mut lost = Vec::new();
    for settlement in settlements {
        if !settle_one(connection, now, settlement)? {
            lost.push(settlement.lease);
        }
    }
    Ok(lost)
}

/// Settles a lease. The next delivery of its order becomes the head.
fn settle_one(connection: &Connection, now: Timestamp, settlement: &Settlement) -> rusqlite::Result<bool> {
    let settled_at = Some(now.as_millis());
    let (state, waits_until, settled_at, attempts, note) = match &settlement.outcome {
        Settled::Handled => (State::Handled, None, settled_at, 1, Some(None)),
        Settled::Retry { at, error } => (State::Retrying, Some(again_at(*at)), None, 1, Some(Some(error))),
        Settled::Parked { until, reason } => (State::Parked, Some(again_at(*until)), None, 0, Some(Some(reason))),
        Settled::Dead { error, .. } => (State::Dead, None, settled_at, 1, Some(Some(error))),
        // An outcome that only a later version of the core knows releases the delivery, so that it is not lost.
        Settled::Released | _ => (State::Pending, None, None, 0, None),
    };
    let values = params![
        state.as_u8(),
        settled_at,
        settlement.outcome.cause().map(DeadCause::as_u8),
        attempts,
        note.is_some(),
        note.flatten(),
        state == State::Pending,
        waits_until,
        settlement.lease.id.as_i64(),
        settlement.lease.fence,
    ];
    let is_settled = connection.prepare_cached(&SETTLE)?.execute(values)? > 0;
    if is_settled {
        promote_after(connection, settlement.lease.id)?;
    }
    Ok(is_settled)
}

/// Returns the column's value for a time. Zero means "never settled" in the column, so the value is at least one.
fn again_at(at: Timestamp) -> i64 {
    at.as_millis().max(1)
}

//! Settlement of leases.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, HistoryEntry, Lease, Settled, Settlement, State};
use rusqlite::{CachedStatement, Connection, params};

use super::history;
use super::queue::{any_behind, promote_after};
use super::state::{HANDLED, LEASED, sql};

sql!(
    END = "UPDATE onramp_deliveries
     SET state = ?1, settled_at = ?2, cause = ?3, attempts = attempts + 1, note = ?4, lease_until = NULL, lost_claims = 0, due_at = NULL,
        handled_stage = CASE WHEN ?1 = {HANDLED} AND shared THEN stage END
     WHERE id = ?5 AND fence = ?6 AND state = {LEASED}"
);

// A statement of its own, because most settlements need not write to the index of those behind.
const LEAVE_LINE: &str = "UPDATE onramp_deliveries SET waits_at = NULL WHERE id = ? AND waits_at IS NOT NULL";

/// Settles leases, and returns those that were lost.
pub(super) fn settle(connection: &Connection, now: Timestamp, settlements: &[Settlement]) -> rusqlite::Result<Vec<Lease>> {
    let may_be_behind = any_behind(connection)?;
    let mut settling = Settling { connection, end: connection.prepare_cached(&END)?, now, may_be_behind };
    let mut lost = Vec::new();
    for settlement in settlements {
        if !settling.settle(settlement)? {
            lost.push(settlement.lease);
        }
    }
    Ok(lost)
}

/// Settlements at one time.
struct Settling<'a> {
    connection: &'a Connection,
    /// Looked up once for many deliveries.
    end: CachedStatement<'a>,
    now: Timestamp,
    /// Set if any delivery may wait behind the head of its order.
    may_be_behind: bool,
}

impl Settling<'_> {
    /// Settles a lease. The next delivery of its order becomes the head.
    fn settle(&mut self, settlement: &Settlement) -> rusqlite::Result<bool> {
        let is_settled = match &settlement.outcome {
            Settled::Handled => self.end(settlement, State::Handled, None)?,
            Settled::Dead { error, .. } => self.end(settlement, State::Dead, Some(error))?,
            outcome => {
                self.may_be_behind = true;
                wait(self.connection, settlement.lease, outcome)?
            }
        };
        if is_settled && self.may_be_behind {
            promote_after(self.connection, settlement.lease.id)?;
        }
        if let Some(entry) = HistoryEntry::of(&settlement.outcome, self.now).filter(|_| is_settled) {
            history::add(self.connection, settlement.lease.id, &entry)?;
        }
        Ok(is_settled)
    }

    fn end(&mut self, settlement: &Settlement, state: State, note: Option<&str>) -> rusqlite::Result<bool> {
        let cause = settlement.outcome.cause().map(DeadCause::as_u8);
        let Lease { id, fence, .. } = settlement.lease;
        let values = params![state.as_u8(), self.now.as_millis(), cause, note, id.as_i64(), fence];
        let is_settled = self.end.execute(values)? > 0;
        if is_settled && self.may_be_behind {
            self.connection.prepare_cached(LEAVE_LINE)?.execute([id.as_i64()])?;
        }
        Ok(is_settled)
    }
}

sql!(
    WAIT = "UPDATE onramp_deliveries
     SET state = ?1, attempts = attempts + ?2, note = CASE ?3 WHEN 1 THEN ?4 ELSE note END, lease_until = NULL, lost_claims = 0,
        due_at = CASE WHEN stage IS NULL OR subject IS NULL OR NOT shared THEN coalesce(?5, due_at) END,
        waits_at = CASE WHEN stage IS NOT NULL AND subject IS NOT NULL AND shared THEN coalesce(?5, due_at, 0) END
     WHERE id = ?6 AND fence = ?7 AND state = {LEASED}"
);

/// Lets a leased delivery wait again.
fn wait(connection: &Connection, lease: Lease, outcome: &Settled) -> rusqlite::Result<bool> {
    let (state, waits_until, attempts, note) = match outcome {
        Settled::Retry { at, error } => (State::Retrying, Some(again_at(*at)), 1, Some(error)),
        Settled::Parked { until, reason } => (State::Parked, Some(again_at(*until)), 0, Some(reason)),
        // An outcome that only a later version of the core knows releases the delivery, so that it is not lost.
        _ => (State::Pending, None, 0, None),
    };
    let values = params![state.as_u8(), attempts, note.is_some(), note, waits_until, lease.id.as_i64(), lease.fence];
    Ok(connection.prepare_cached(&WAIT)?.execute(values)? > 0)
}

/// Returns the column's value for a time. Zero means "never settled" in the column, so the value is at least one.
fn again_at(at: Timestamp) -> i64 {
    at.as_millis().max(1)
}

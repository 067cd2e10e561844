//! Resolution of deliveries by operators.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, HistoryEntry, HistoryKind, State, why_not_resolved};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, OptionalExtension, params};

use super::history;
use super::state::{REMOVED, sql};

sql!(FIND = "SELECT state FROM onramp_deliveries WHERE id = ? AND state <> {REMOVED}");

// A delivery that is settled after its resolution is open again, so the resolution must not be older than the settlement.
const RESOLVE: &str =
    "UPDATE onramp_deliveries SET resolved_at = max(?1, coalesce(settled_at, ?1)), resolution = ?2 WHERE id = ?3";
const REOPEN: &str =
    "UPDATE onramp_deliveries SET resolved_at = NULL, resolution = NULL WHERE id = ? AND resolved_at IS NOT NULL";

/// Resolves a delivery. The inner error is the reason why it cannot be resolved.
pub(super) fn resolve(
    connection: &Connection,
    now: Timestamp,
    id: DeliveryId,
    note: &str,
) -> rusqlite::Result<Result<(), StoreError>> {
    let refused = match state(connection, id)? {
        None => Some(StoreError::new(StoreErrorKind::NotFound, "resolve")),
        Some(state) => why_not_resolved(state).map(|why| StoreError::new(StoreErrorKind::Refused, "resolve").because(why)),
    };
    if let Some(refused) = refused {
        return Ok(Err(refused));
    }
    connection.prepare_cached(RESOLVE)?.execute(params![now.as_millis(), note, id.as_i64()])?;
    history::add(connection, id, &HistoryEntry::new(HistoryKind::Resolved, now).text(note)).map(Ok)
}

/// Takes back a resolution.
pub(super) fn reopen(connection: &Connection, now: Timestamp, id: DeliveryId) -> rusqlite::Result<Result<(), StoreError>> {
    if state(connection, id)?.is_none() {
        return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "reopen")));
    }
    if connection.prepare_cached(REOPEN)?.execute([id.as_i64()])? > 0 {
        history::add(connection, id, &HistoryEntry::new(HistoryKind::Reopened, now))?;
    }
    Ok(Ok(()))
}

fn state(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<State>> {
    let mut find = connection.prepare_cached(&FIND)?;
    Ok(find.query_row([id.as_i64()], |row| row.get(0)).optional()?.map(State::from_u8))
}

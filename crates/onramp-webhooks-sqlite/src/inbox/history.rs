//! The histories of deliveries.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, HistoryEntry, HistoryKind, MOST_ENTRIES};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, OptionalExtension, params};

use super::state::{REMOVED, sql};
use crate::db::column::{self, bound};

const LAST: &str = "SELECT nth, kind, cause, text FROM onramp_history WHERE delivery = ? ORDER BY nth DESC LIMIT 1";
const REPEAT: &str = "UPDATE onramp_history SET times = times + 1, last_at = max(last_at, ?3) WHERE delivery = ?1 AND nth = ?2";
const INSERT: &str = "INSERT INTO onramp_history (delivery, nth, kind, cause, first_at, last_at, times, text) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, ?6)";
const CUT: &str = "DELETE FROM onramp_history WHERE delivery = ?1 AND nth <= ?2";

/// Adds an entry. One that repeats the last one is merged with it, and the oldest beyond the bound is removed.
pub(super) fn add(connection: &Connection, id: DeliveryId, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let (kind, cause) = (entry.kind.as_u8(), entry.cause.map(DeadCause::as_u8));
    let last: Option<(i64, u8, Option<u8>, Option<String>)> = connection
        .prepare_cached(LAST)?
        .query_row([id.as_i64()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let last_nth = last.as_ref().map_or(0, |(nth, ..)| *nth);
    let at = entry.last_at.as_millis();
    if last.is_some_and(|(_, last_kind, last_cause, text)| (last_kind, last_cause, text) == (kind, cause, entry.text.clone())) {
        return connection.prepare_cached(REPEAT)?.execute(params![id.as_i64(), last_nth, at]).map(drop);
    }
    let nth = last_nth + 1;
    connection.prepare_cached(INSERT)?.execute(params![id.as_i64(), nth, kind, cause, at, entry.text])?;
    connection.prepare_cached(CUT)?.execute(params![id.as_i64(), nth - bound(MOST_ENTRIES)]).map(drop)
}

sql!(EXISTS = "SELECT 1 FROM onramp_deliveries WHERE id = ? AND state <> {REMOVED}");

/// Adds that an operator saw personal data. The inner error says that there is no such delivery.
pub(super) fn revealed(
    connection: &Connection,
    now: Timestamp,
    id: DeliveryId,
    operator: &str,
) -> rusqlite::Result<Result<(), StoreError>> {
    if !connection.prepare_cached(&EXISTS)?.exists([id.as_i64()])? {
        return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "reveal")));
    }
    add(connection, id, &HistoryEntry::new(HistoryKind::Revealed, now).text(operator)).map(Ok)
}

const READ: &str = "SELECT kind, cause, first_at, last_at, times, text FROM onramp_history WHERE delivery = ? ORDER BY nth";

/// Returns the history of a delivery, the oldest entry first.
pub(crate) fn read(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Vec<HistoryEntry>> {
    let mut read = connection.prepare_cached(READ)?;
    let entries = read.query_map([id.as_i64()], |row| {
        let mut entry = HistoryEntry::new(HistoryKind::from_u8(row.get(0)?), column::timestamp(row, 3)?);
        entry.cause = row.get::<_, Option<u8>>(1)?.and_then(DeadCause::from_u8);
        (entry.first_at, entry.times, entry.text) = (column::timestamp(row, 2)?, column::count(row, 4)?, row.get(5)?);
        Ok(entry)
    })?;
    entries.collect()
}

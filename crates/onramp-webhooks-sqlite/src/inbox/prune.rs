//! Removal of bodies: of deliveries that are old, and of one that an operator forgets.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Retention, State, why_not_forgotten};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, OptionalExtension, params};

use super::record::remove;
use super::state::{CONFLICT, DEAD, HANDLED, QUARANTINED, REMOVED, sql};

/// The maximum number of deliveries in one call, so that no commit keeps receivers waiting for long.
const ROUND: usize = 1_000;

/// Prunes deliveries that are older than the retention of their state.
///
/// Ids grow with the time of arrival, so the scan can stop at younger deliveries. It stops only after many younger deliveries, because
/// the clock may have been wrong for some time.
pub(super) fn prune(connection: &Connection, now: Timestamp, retention: Retention) -> rusqlite::Result<u64> {
    let old = old(connection, now, retention)?;
    for (id, whole) in &old {
        forget_row(connection, *id, *whole)?;
    }
    Ok(old.len() as u64)
}

sql!(
    OLDEST_FIRST = "SELECT d.received_at, d.id, d.subject IS NULL OR d.key_expires_at IS NOT NULL OR d.state = {QUARANTINED},
        coalesce(d.settled_at, d.received_at)
            < CASE d.state WHEN {HANDLED} THEN ?2 WHEN {DEAD} THEN ?3 WHEN {CONFLICT} THEN ?4 WHEN {QUARANTINED} THEN ?5 END
        AND (d.key_expires_at IS NULL OR d.key_expires_at <= ?1)
     FROM onramp_bodies b CROSS JOIN onramp_deliveries d ON d.id = b.id ORDER BY b.id"
);

/// Returns the ids of old deliveries with a body. The flag is set if no key has to stay.
fn old(connection: &Connection, now: Timestamp, retention: Retention) -> rusqlite::Result<Vec<(DeliveryId, bool)>> {
    let before = |state| now.before(retention.of(state).unwrap_or_default()).as_millis();
    let [handled, dead, conflict, quarantined] = KEPT.map(before);
    let youngest = handled.max(dead).max(conflict).max(quarantined);
    let mut oldest_first = connection.prepare_cached(&OLDEST_FIRST)?;
    let mut rows = oldest_first.query(params![now.as_millis(), handled, dead, conflict, quarantined])?;
    let (mut old, mut young) = (Vec::new(), 0);
    while old.len() < ROUND
        && young < ROUND
        && let Some(row) = rows.next()?
    {
        young += usize::from(row.get::<_, i64>(0)? >= youngest);
        if row.get::<_, Option<bool>>(3)? == Some(true) {
            old.push((DeliveryId::from_i64(row.get(1)?), row.get(2)?));
        }
    }
    Ok(old)
}

const KEPT: [State; 4] = [State::Handled, State::Dead, State::Conflict, State::Quarantined];

sql!(FIND = "SELECT state, subject IS NULL OR state = {QUARANTINED} FROM onramp_deliveries WHERE id = ? AND state <> {REMOVED}");

/// Forgets one delivery. The inner error is the reason why it cannot be forgotten.
pub(super) fn forget(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Result<(), StoreError>> {
    let found: Option<(u8, bool)> =
        connection.prepare_cached(&FIND)?.query_row([id.as_i64()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((state, whole)) = found else { return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "forget"))) };
    if let Some(why) = why_not_forgotten(State::from_u8(state)) {
        return Ok(Err(StoreError::new(StoreErrorKind::Refused, "forget").because(why)));
    }
    forget_row(connection, id, whole).map(Ok)
}

const FORGET: [&str; 3] = [
    "DELETE FROM onramp_bodies WHERE id = ?",
    "UPDATE onramp_history SET text = NULL WHERE delivery = ? AND text IS NOT NULL",
    "UPDATE onramp_deliveries SET note = NULL, resolution = NULL WHERE id = ? AND (note IS NOT NULL OR resolution IS NOT NULL)",
];

/// Removes the body and the notes of a delivery, or the whole delivery.
fn forget_row(connection: &Connection, id: DeliveryId, whole: bool) -> rusqlite::Result<()> {
    if whole {
        return remove(connection, id);
    }
    FORGET.iter().try_for_each(|statement| connection.prepare_cached(statement)?.execute([id.as_i64()]).map(drop))
}

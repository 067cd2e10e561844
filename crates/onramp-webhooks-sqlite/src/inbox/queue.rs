//! The queue of waiting deliveries: for each order, the head that can be claimed, and those behind it.
//!
//! The head has its time in `due_at`, all others in `waits_at`, so a claim reads only heads. Zero means "never settled": due since its
//! arrival, whatever the clock says. Those that were claimed behind the head have [`FIRST`] in `waits_at`, and follow it first.

use onramp_webhooks::inbox::DeliveryId;
use rusqlite::{Connection, OptionalExtension, params};

use super::state::{LEASED, sql};

/// The column's value for a delivery that was claimed behind the head of its order.
pub(super) const FIRST: i64 = -1;

/// The place of a delivery that is being inserted.
pub(super) enum Place {
    /// Its order has no head.
    Head,
    /// The head of its order is leased.
    Behind,
    /// The head of its order is not leased, so the new delivery may precede it.
    Unsettled,
}

sql!(
    HEAD = "SELECT id, state = {LEASED} FROM onramp_deliveries INDEXED BY onramp_deliveries_head
     WHERE due_at IS NOT NULL AND stage IS NOT NULL AND shared = 1 AND subject = ?"
);

/// Returns the place of a new delivery of `order`.
pub(super) fn place(connection: &Connection, order: &str) -> rusqlite::Result<Place> {
    Ok(match head(connection, order)? {
        None => Place::Head,
        Some((_, true)) => Place::Behind,
        Some((_, false)) => Place::Unsettled,
    })
}

/// Returns the head of an order, and whether it is leased.
fn head(connection: &Connection, order: &str) -> rusqlite::Result<Option<(i64, bool)>> {
    connection.prepare_cached(&HEAD)?.query_row([order], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

const ORDER: &str = "SELECT CASE WHEN stage IS NOT NULL AND shared THEN subject END, due_at FROM onramp_deliveries WHERE id = ?";
const AS_HEAD: &str = "UPDATE onramp_deliveries SET due_at = ?, waits_at = NULL WHERE id = ?";
const AS_BEHIND: &str = "UPDATE onramp_deliveries SET due_at = NULL, waits_at = ? WHERE id = ?";
const OUT: &str = "UPDATE onramp_deliveries SET due_at = NULL, waits_at = NULL, lease_until = NULL, lost_claims = 0 WHERE id = ?";

/// Adds a delivery that is due at once.
pub(super) fn enter(connection: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    let (order, _) = order(connection, id)?;
    let head = order.as_deref().map_or(Ok(None), |order| head(connection, order))?;
    let statement = if head.is_some() { AS_BEHIND } else { AS_HEAD };
    connection.prepare_cached(statement)?.execute(params![0, id.as_i64()])?;
    match (order, head) {
        (Some(order), Some((_, false))) => settle_head(connection, &order),
        _ => Ok(()),
    }
}

/// Lets the deliveries of an order that were put behind its head precede it.
pub(super) fn join(connection: &Connection, order: &str) -> rusqlite::Result<()> {
    match head(connection, order)? {
        Some((_, true)) => Ok(()),
        Some((_, false)) => settle_head(connection, order),
        None => promote(connection, order),
    }
}

/// Removes a delivery. The next one of its order becomes the head.
pub(super) fn leave(connection: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    let (order, due_at) = order(connection, id)?;
    connection.prepare_cached(OUT)?.execute([id.as_i64()])?;
    match (order, due_at) {
        (Some(order), Some(_)) => promote(connection, &order),
        _ => Ok(()),
    }
}

/// Returns the order of a delivery, and its time if it is a head.
fn order(connection: &Connection, id: DeliveryId) -> rusqlite::Result<(Option<String>, Option<i64>)> {
    connection.prepare_cached(ORDER)?.query_row([id.as_i64()], |row| Ok((row.get(0)?, row.get(1)?)))
}

const RETURN_HEAD: &str = "UPDATE onramp_deliveries SET waits_at = due_at, due_at = NULL
     WHERE due_at IS NOT NULL AND stage IS NOT NULL AND shared = 1 AND subject = ?";

/// Chooses the head of an order again. Its head must not be leased.
pub(super) fn settle_head(connection: &Connection, order: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(RETURN_HEAD)?.execute([order])?;
    promote(connection, order)
}

/// Makes the next delivery of the order of `ended` its head, unless `ended` was behind the head.
pub(super) fn promote_after(connection: &Connection, ended: DeliveryId) -> rusqlite::Result<()> {
    match order(connection, ended)? {
        (Some(order), _) if head(connection, &order)?.is_none() => promote(connection, &order),
        _ => Ok(()),
    }
}

const ANY_BEHIND: &str =
    "SELECT id FROM onramp_deliveries INDEXED BY onramp_deliveries_behind WHERE waits_at IS NOT NULL AND subject >= '' LIMIT 1";

/// Returns whether any delivery waits behind the head of its order.
pub(super) fn any_behind(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached(ANY_BEHIND)?.exists([])
}

const FIRST_BEHIND: &str = "SELECT id, waits_at, received_at FROM onramp_deliveries INDEXED BY onramp_deliveries_behind
     WHERE waits_at IS NOT NULL AND subject = ? AND waits_at >= ? ORDER BY waits_at, id LIMIT 1";

/// Makes the next delivery of an order its head: one that was claimed behind the last head; otherwise the oldest untried one, or the one
/// that is due again first, whichever has been due longer.
pub(super) fn promote(connection: &Connection, order: &str) -> rusqlite::Result<()> {
    let Some((mut id, mut waits_at, received_at)) = first_behind(connection, order, FIRST)? else { return Ok(()) };
    if waits_at == 0
        && let Some((again, again_at, _)) = first_behind(connection, order, 1)?
        && again_at < received_at
    {
        (id, waits_at) = (again, again_at);
    }
    connection.prepare_cached(AS_HEAD)?.execute([waits_at.max(0), id]).map(drop)
}

/// Returns the first delivery behind the head that is due at `from` or later: its id, the time, and its arrival.
fn first_behind(connection: &Connection, order: &str, from: i64) -> rusqlite::Result<Option<(i64, i64, i64)>> {
    let mut first = connection.prepare_cached(FIRST_BEHIND)?;
    first.query_row(params![order, from], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
}

const FREE_KEY: &str = "UPDATE onramp_deliveries
     SET subject = NULL, discriminator = NULL, due_at = coalesce(due_at, max(waits_at, 0)), waits_at = NULL WHERE id = ?";

/// Takes the key from a delivery, which is an order of its own from then on.
pub(super) fn free_key(connection: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    let (order, due_at) = order(connection, id)?;
    connection.prepare_cached(FREE_KEY)?.execute([id.as_i64()])?;
    match (order, due_at) {
        (Some(order), Some(_)) => promote(connection, &order),
        _ => Ok(()),
    }
}

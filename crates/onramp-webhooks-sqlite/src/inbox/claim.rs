//! Claiming of due deliveries, and renewal of leases.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Claims, DeliveryId, Lease};
use rusqlite::{CachedStatement, Connection, Row, params};

use super::state::{HANDLED, LEASED, PARKED, PENDING, RETRYING, sql};
use crate::db::column;

sql!(
    MAKE_DUE = "UPDATE onramp_deliveries SET state = {PENDING}, due_at = 0 WHERE due_at > 0 AND due_at <= ?
     AND state IN ({LEASED}, {RETRYING}, {PARKED})"
);
sql!(LEASE = "UPDATE onramp_deliveries SET state = {LEASED}, due_at = ?, fence = fence + 1 WHERE id = ?");
sql!(NEXT_DUE = "SELECT min(due_at) FROM onramp_deliveries WHERE due_at > 0 AND state IN ({LEASED}, {RETRYING}, {PARKED})");

/// Leases due deliveries. Every statement reads only waiting deliveries, through the partial index on `due_at`.
pub(super) fn claim(connection: &Connection, now: Timestamp, request: ClaimRequest) -> rusqlite::Result<Claims> {
    connection.prepare_cached(&MAKE_DUE)?.execute([now.as_millis()])?;
    let claimed = due(connection, request.limit)?;
    let until = now.after(request.lease).as_millis();
    let mut lease = connection.prepare_cached(&LEASE)?;
    for delivery in &claimed {
        lease.execute(params![until, delivery.lease.id.as_i64()])?;
    }
    let next_due: Option<i64> = connection.prepare_cached(&NEXT_DUE)?.query_row([], |row| row.get(0))?;
    Ok(Claims::new(claimed, next_due.map(Timestamp::from_millis)))
}

sql!(
    DUE = "SELECT d.id, d.fence, d.attempts, d.duplicates, d.endpoint, d.provider, d.subject, d.discriminator, d.received_at, d.stage,
        d.fingerprint
     FROM onramp_deliveries d INDEXED BY onramp_deliveries_due
     WHERE d.due_at = 0 AND d.state = {PENDING}
     ORDER BY d.id"
);
sql!(LATER_HANDLED = "SELECT EXISTS (SELECT 1 FROM onramp_deliveries WHERE subject = ? AND state = {HANDLED} AND stage > ?)");
const BODY: &str = "SELECT body FROM onramp_bodies WHERE id = ?";

/// Returns the oldest due deliveries, at most one of each order, and none of an order that has a leased delivery.
fn due(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<ClaimedDelivery>> {
    let mut oldest_first = connection.prepare_cached(&DUE)?;
    let mut later_handled = connection.prepare_cached(&LATER_HANDLED)?;
    let mut body = connection.prepare_cached(BODY)?;
    let mut rows = oldest_first.query([])?;
    let (mut due, mut orders) = (Vec::new(), leased_orders(connection)?);
    while due.len() < limit
        && let Some(row) = rows.next()?
    {
        let order = order(row)?;
        if order.as_ref().is_some_and(|(order, _)| orders.contains(order)) {
            continue;
        }
        let stale = order.as_ref().map_or(Ok(false), |order| is_stale(&mut later_handled, order))?;
        let body: Vec<u8> = body.query_row([row.get::<_, i64>(0)?], |row| row.get(0))?;
        due.push(delivery(row, body.into(), stale)?);
        orders.extend(order.map(|(order, _)| order));
    }
    Ok(due)
}

/// Returns the order of a due delivery and its stage in it.
fn order(row: &Row<'_>) -> rusqlite::Result<Option<(String, u8)>> {
    let Some(stage) = row.get(9)? else { return Ok(None) };
    Ok(row.get::<_, Option<String>>(6)?.map(|order| (order, stage)))
}

/// Returns whether a later stage of the order was handled.
fn is_stale(later_handled: &mut CachedStatement<'_>, (order, stage): &(String, u8)) -> rusqlite::Result<bool> {
    if *stage == OrderStage::UNPLACED.as_u8() {
        return Ok(false);
    }
    later_handled.query_row(params![order, stage], |row| row.get(0))
}

sql!(
    LEASED_ORDERS = "SELECT subject FROM onramp_deliveries INDEXED BY onramp_deliveries_due
     WHERE due_at > 0 AND state = {LEASED} AND stage IS NOT NULL AND subject IS NOT NULL"
);

/// Returns the orders that have a leased delivery. A lease has an end in `due_at`, so the index of waiting deliveries contains it.
fn leased_orders(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    connection.prepare_cached(&LEASED_ORDERS)?.query_map([], |row| row.get(0))?.collect()
}

fn delivery(row: &Row<'_>, body: Bytes, stale: bool) -> rusqlite::Result<ClaimedDelivery> {
    Ok(ClaimedDelivery {
        lease: Lease::new(DeliveryId::from_i64(row.get(0)?), row.get::<_, i64>(1)? + 1),
        attempt: row.get::<_, u32>(2)?.saturating_add(1),
        duplicates: column::count(row, 3)?,
        endpoint: Arc::from(row.get::<_, String>(4)?),
        provider: column::provider(row, 5)?,
        key: column::key(row, 6)?,
        fingerprint: Fingerprint::from_bytes(row.get(10)?),
        received_at: column::timestamp(row, 8)?,
        body,
        stale,
    })
}

sql!(RENEW = "UPDATE onramp_deliveries SET due_at = ? WHERE id = ? AND fence = ? AND state = {LEASED}");

/// Renews leases, and returns those that were lost.
pub(super) fn renew(connection: &Connection, leases: &[Lease], until: Timestamp) -> rusqlite::Result<Vec<Lease>> {
    let mut renew = connection.prepare_cached(&RENEW)?;
    let mut lost = Vec::new();
    for lease in leases {
        if renew.execute(params![until.as_millis(), lease.id.as_i64(), lease.fence])? == 0 {
            lost.push(*lease);
        }
    }
    Ok(lost)
}

//! Leasing what is due, and prolonging leases.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Claims, DeliveryId, Lease};
use rusqlite::{Connection, Row, params};

use crate::column;

/// Leases what is due. Every step looks only at what waits, through the partial index on `due_at`.
pub(crate) fn claim(connection: &Connection, now: Timestamp, request: ClaimRequest) -> rusqlite::Result<Claims> {
    connection
        .prepare_cached("UPDATE onramp_deliveries SET state = 0, due_at = 0 WHERE due_at > 0 AND due_at <= ?")?
        .execute([now.as_millis()])?;
    let claimed = due(connection, request.limit)?;
    let until = now.after(request.lease).as_millis();
    let mut lease =
        connection.prepare_cached("UPDATE onramp_deliveries SET state = 1, due_at = ?, fence = fence + 1 WHERE id = ?")?;
    for delivery in &claimed {
        lease.execute(params![until, delivery.lease.id.as_i64()])?;
    }
    let next_due: Option<i64> = connection
        .prepare_cached("SELECT min(due_at) FROM onramp_deliveries WHERE due_at > 0")?
        .query_row([], |row| row.get(0))?;
    Ok(Claims::new(claimed, next_due.map(Timestamp::from_millis)))
}

/// The first deliveries that are due and whose order has none that is leased, one of each order.
fn due(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<ClaimedDelivery>> {
    let mut first_received_first = connection.prepare_cached(
        "SELECT d.id, d.fence, d.attempts, d.duplicates, d.endpoint, d.provider, d.subject, d.discriminator, d.received_at, d.stage,
            d.fingerprint
         FROM onramp_deliveries d INDEXED BY onramp_deliveries_due
         WHERE d.due_at = 0
         ORDER BY d.id",
    )?;
    let mut is_stale = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM onramp_deliveries WHERE subject = ? AND state = 4 AND stage > ?)")?;
    let mut body = connection.prepare_cached("SELECT body FROM onramp_bodies WHERE id = ?")?;
    let mut rows = first_received_first.query([])?;
    let (mut due, mut orders) = (Vec::new(), leased_orders(connection)?);
    while due.len() < limit
        && let Some(row) = rows.next()?
    {
        let stage: Option<u8> = row.get(9)?;
        let order: Option<String> = if stage.is_some() { row.get(6)? } else { None };
        if order.as_ref().is_some_and(|order| orders.contains(order)) {
            continue;
        }
        let stale = match (&order, stage) {
            (Some(order), Some(stage)) if stage > 0 => is_stale.query_row(params![order, stage], |row| row.get(0))?,
            _ => false,
        };
        let body: Vec<u8> = body.query_row([row.get::<_, i64>(0)?], |row| row.get(0))?;
        due.push(delivery(row, body.into(), stale)?);
        orders.extend(order);
    }
    Ok(due)
}

/// The orders that have a leased delivery. What is leased waits for the end of its lease, so the index on what waits has it.
fn leased_orders(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    connection
        .prepare_cached(
            "SELECT subject FROM onramp_deliveries INDEXED BY onramp_deliveries_due
             WHERE due_at > 0 AND state = 1 AND stage IS NOT NULL AND subject IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
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

/// Prolongs leases, and answers the lost ones.
pub(crate) fn renew(connection: &Connection, leases: &[Lease], until: Timestamp) -> rusqlite::Result<Vec<Lease>> {
    let mut renew =
        connection.prepare_cached("UPDATE onramp_deliveries SET due_at = ? WHERE id = ? AND fence = ? AND state = 1")?;
    let mut lost = Vec::new();
    for lease in leases {
        if renew.execute(params![until.as_millis(), lease.id.as_i64(), lease.fence])? == 0 {
            lost.push(*lease);
        }
    }
    Ok(lost)
}

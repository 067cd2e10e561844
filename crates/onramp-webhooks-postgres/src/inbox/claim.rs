//! Claiming of due deliveries, and renewal of leases.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Claims, Lease};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::state::{HANDLED, LEASED, PENDING, sql};
use crate::db::{Schema, column};

const UNPLACED: u8 = OrderStage::UNPLACED.as_u8();

// Makes waiting deliveries due, except those that another transaction is changing. Uses an array, because a planner without statistics
// expects few ids in an array and many in a query.
sql!(
    MAKE_DUE = "UPDATE onramp.deliveries SET state = {PENDING}, due_at = NULL
    WHERE id = ANY (ARRAY (SELECT id FROM onramp.deliveries WHERE due_at <= $1 ORDER BY due_at FOR UPDATE SKIP LOCKED))"
);

// Leases the oldest due deliveries, at most one of each order, and none of an order that has a leased delivery. While another transaction
// changes a delivery, later deliveries of its order are not leased. The query compares the smallest ids instead of using `NOT EXISTS`,
// for which a planner without statistics would join all rows. `state < LEASED` means `state = PENDING`, written as in the condition of
// the index for orders.
sql!(
    LEASE = "UPDATE onramp.deliveries d SET state = {LEASED}, due_at = $2, fence = fence + 1
    WHERE d.id = ANY (ARRAY (
        SELECT due.id FROM onramp.deliveries due
        WHERE due.state = {PENDING}
          AND (due.order_key IS NULL OR (
            (SELECT min(busy.id) FROM onramp.deliveries busy
             WHERE busy.state = {LEASED} AND busy.order_key IS NOT NULL AND busy.order_key = due.order_key) IS NULL
            AND (SELECT min(first.id) FROM onramp.deliveries first
                 WHERE first.state < {LEASED} AND first.order_key IS NOT NULL AND first.order_key = due.order_key) = due.id))
        ORDER BY due.id LIMIT $1 FOR UPDATE OF due SKIP LOCKED
    ))
    RETURNING d.id, d.fence, d.attempts, d.duplicates, d.endpoint, d.provider, d.subject, d.discriminator, d.fingerprint,
        d.received_at,
        (SELECT b.body FROM onramp.bodies b WHERE b.id = d.id) AS body,
        d.stage > {UNPLACED} AND EXISTS (SELECT FROM onramp.deliveries later
            WHERE later.state = {HANDLED} AND later.order_key IS NOT NULL
              AND later.order_key = d.order_key AND later.stage > d.stage) AS stale"
);

const NEXT_DUE: &str = "SELECT min(due_at) FROM onramp.deliveries WHERE due_at IS NOT NULL";

/// Leases due deliveries. The caller must hold the lock for claims. Without it, two claims could lock different events of one order
/// without seeing each other.
pub(super) async fn claim(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    request: ClaimRequest,
) -> sqlx::Result<Claims> {
    schema.query(&MAKE_DUE).bind(now.as_millis()).execute(&mut *connection).await?;
    let rows = schema
        .query(&LEASE)
        .bind(i64::try_from(request.limit).unwrap_or(i64::MAX))
        .bind(now.after(request.lease).as_millis())
        .fetch_all(&mut *connection)
        .await?;
    let mut claimed = rows.iter().map(delivery).collect::<sqlx::Result<Vec<_>>>()?;
    claimed.sort_unstable_by_key(|delivery| delivery.lease.id);
    let next_due: Option<i64> = schema.scalar(NEXT_DUE).fetch_one(&mut *connection).await?;
    Ok(Claims::new(claimed, next_due.map(Timestamp::from_millis)))
}

fn delivery(row: &PgRow) -> sqlx::Result<ClaimedDelivery> {
    Ok(ClaimedDelivery {
        lease: lease(row)?,
        attempt: column::attempts(row)?.saturating_add(1),
        duplicates: column::count(row, "duplicates")?,
        endpoint: Arc::from(column::text(row, "endpoint")?.unwrap_or_default()),
        provider: column::provider(row)?,
        key: column::key(row)?,
        fingerprint: column::fingerprint(row)?,
        received_at: Timestamp::from_millis(row.try_get("received_at")?),
        body: Bytes::from(row.try_get::<Option<Vec<u8>>, _>("body")?.unwrap_or_default()),
        stale: row.try_get::<Option<bool>, _>("stale")?.unwrap_or(false),
    })
}

fn lease(row: &PgRow) -> sqlx::Result<Lease> {
    Ok(Lease::new(column::id(row)?, row.try_get("fence")?))
}

sql!(
    RENEW = "UPDATE onramp.deliveries d SET due_at = $3 FROM UNNEST($1::bigint[], $2::bigint[]) AS held (id, fence)
    WHERE d.id = held.id AND d.fence = held.fence AND d.state = {LEASED}
    RETURNING d.id, d.fence"
);

/// Renews leases, and returns those that were lost.
pub(super) async fn renew(
    connection: &mut PgConnection,
    schema: &Schema,
    leases: &[Lease],
    until: Timestamp,
) -> sqlx::Result<Vec<Lease>> {
    let (ids, fences) = numbers(leases.iter());
    let rows = schema.query(&RENEW).bind(ids).bind(fences).bind(until.as_millis()).fetch_all(connection).await?;
    let held = held(&rows)?;
    Ok(leases.iter().filter(|lease| !held.contains(lease)).copied().collect())
}

/// Splits leases into two arrays.
pub(super) fn numbers<'a>(leases: impl Iterator<Item = &'a Lease>) -> (Vec<i64>, Vec<i64>) {
    leases.map(|lease| (lease.id.as_i64(), lease.fence)).unzip()
}

/// Returns the leases that a statement found to be held.
pub(super) fn held(rows: &[PgRow]) -> sqlx::Result<HashSet<Lease>> {
    rows.iter().map(lease).collect()
}

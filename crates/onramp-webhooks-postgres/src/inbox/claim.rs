//! Leasing what is due, and prolonging leases.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Claims, Lease};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::column;
use crate::schema::Schema;

/// What waits and whose time has come is due. What another transaction is changing right now has its turn next time. An array, because
/// a planner that knows no better expects few ids in one, and many in a query.
const FALL_DUE: &str = "UPDATE onramp.deliveries SET state = 0, due_at = NULL
    WHERE id = ANY (ARRAY (SELECT id FROM onramp.deliveries WHERE due_at <= $1 ORDER BY due_at FOR UPDATE SKIP LOCKED))";

/// Leases the first deliveries that are due and whose order has none that is leased, of each order the first; one that another
/// transaction is changing right now holds back the rest of its order. The smallest ids, and not `NOT EXISTS`, because a planner that
/// knows no better joins everything for that.
const LEASE: &str = "UPDATE onramp.deliveries d SET state = 1, due_at = $2, fence = fence + 1
    WHERE d.id = ANY (ARRAY (
        SELECT due.id FROM onramp.deliveries due
        WHERE due.state = 0
          AND (due.order_key IS NULL OR (
            (SELECT min(busy.id) FROM onramp.deliveries busy
             WHERE busy.state = 1 AND busy.order_key IS NOT NULL AND busy.order_key = due.order_key) IS NULL
            AND (SELECT min(first.id) FROM onramp.deliveries first
                 WHERE first.state < 1 AND first.order_key IS NOT NULL AND first.order_key = due.order_key) = due.id))
        ORDER BY due.id LIMIT $1 FOR UPDATE OF due SKIP LOCKED
    ))
    RETURNING d.id, d.fence, d.attempts, d.duplicates, d.endpoint, d.provider, d.subject, d.discriminator, d.fingerprint,
        d.received_at,
        (SELECT b.body FROM onramp.bodies b WHERE b.id = d.id) AS body,
        d.stage > 0 AND EXISTS (SELECT FROM onramp.deliveries later
            WHERE later.state = 4 AND later.order_key IS NOT NULL
              AND later.order_key = d.order_key AND later.stage > d.stage) AS stale";

const NEXT_DUE: &str = "SELECT min(due_at) FROM onramp.deliveries WHERE due_at IS NOT NULL";

/// Leases what is due. Whoever calls this holds the lock of all claims: of two that each lock another event of one order, neither
/// would see that the other does.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    request: ClaimRequest,
) -> sqlx::Result<Claims> {
    sqlx::query(schema.sql(FALL_DUE)).bind(now.as_millis()).execute(&mut *connection).await?;
    let rows = sqlx::query(schema.sql(LEASE))
        .bind(i64::try_from(request.limit).unwrap_or(i64::MAX))
        .bind(now.after(request.lease).as_millis())
        .fetch_all(&mut *connection)
        .await?;
    let mut claimed = rows.iter().map(delivery).collect::<sqlx::Result<Vec<_>>>()?;
    claimed.sort_unstable_by_key(|delivery| delivery.lease.id);
    let next_due: Option<i64> = sqlx::query_scalar(schema.sql(NEXT_DUE)).fetch_one(&mut *connection).await?;
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

/// Prolongs leases, and answers the lost ones.
pub(crate) async fn renew(
    connection: &mut PgConnection,
    schema: &Schema,
    leases: &[Lease],
    until: Timestamp,
) -> sqlx::Result<Vec<Lease>> {
    let renew = "UPDATE onramp.deliveries d SET due_at = $3 FROM UNNEST($1::bigint[], $2::bigint[]) AS held (id, fence)
        WHERE d.id = held.id AND d.fence = held.fence AND d.state = 1
        RETURNING d.id, d.fence";
    let (ids, fences) = numbers(leases.iter());
    let rows = sqlx::query(schema.sql(renew)).bind(ids).bind(fences).bind(until.as_millis()).fetch_all(connection).await?;
    let held = held(&rows)?;
    Ok(leases.iter().filter(|lease| !held.contains(lease)).copied().collect())
}

/// Leases as two arrays.
pub(crate) fn numbers<'a>(leases: impl Iterator<Item = &'a Lease>) -> (Vec<i64>, Vec<i64>) {
    leases.map(|lease| (lease.id.as_i64(), lease.fence)).unzip()
}

/// The leases that a statement found to be held.
pub(crate) fn held(rows: &[PgRow]) -> sqlx::Result<HashSet<Lease>> {
    rows.iter().map(lease).collect()
}

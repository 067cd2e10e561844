//! Pruning of deliveries that were handled long ago.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::Retention;
use sqlx::{PgConnection, Row};

use super::record::remove;
use super::state::{HANDLED, sql};
use crate::db::Schema;

/// The maximum number of deliveries in one call, so that no transaction grows large.
const ROUND: i64 = 1_000;

sql!(
    OLD = "SELECT id, key IS NULL OR coalesce(key_expires_at <= $1, false) AS expired FROM onramp.deliveries
    WHERE state = {HANDLED} AND cause IS NULL AND NOT pruned AND settled_at < $2 ORDER BY settled_at LIMIT $3 FOR UPDATE SKIP LOCKED"
);
const REMOVE_BODIES: &str = "WITH removed AS (DELETE FROM onramp.bodies WHERE id = ANY ($1))
    UPDATE onramp.deliveries SET pruned = true WHERE id = ANY ($1)";

/// Removes the bodies of deliveries that were handled before `now - retention`, and the whole delivery if its key has expired.
pub(super) async fn prune(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    retention: Retention,
) -> sqlx::Result<u64> {
    let rows = schema
        .query(&OLD)
        .bind(now.as_millis())
        .bind(now.before(retention.handled).as_millis())
        .bind(ROUND)
        .fetch_all(&mut *connection)
        .await?;
    let (mut whole, mut bodies) = (Vec::new(), Vec::new());
    for row in &rows {
        let among = if row.try_get("expired")? { &mut whole } else { &mut bodies };
        among.push(row.try_get::<i64, _>("id")?);
    }
    remove(connection, schema, &whole).await?;
    schema.query(REMOVE_BODIES).bind(bodies).execute(connection).await?;
    Ok(rows.len() as u64)
}

//! Removing what was handled long ago.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::Retention;
use sqlx::{PgConnection, Row};

use crate::record::remove;
use crate::schema::Schema;

/// The most deliveries in one call, so that no transaction grows large.
const ROUND: i64 = 1_000;

/// Removes bodies of deliveries handled before `now - retention`, and whole deliveries whose key does not count any more.
pub(crate) async fn prune(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    retention: Retention,
) -> sqlx::Result<u64> {
    let old = "SELECT id, key IS NULL OR coalesce(key_expires_at <= $1, false) AS forgotten FROM onramp.deliveries
        WHERE state = 4 AND NOT pruned AND settled_at < $2 ORDER BY settled_at LIMIT $3 FOR UPDATE SKIP LOCKED";
    let rows = sqlx::query(schema.sql(old))
        .bind(now.as_millis())
        .bind(now.before(retention.handled).as_millis())
        .bind(ROUND)
        .fetch_all(&mut *connection)
        .await?;
    let (mut whole, mut bodies) = (Vec::new(), Vec::new());
    for row in &rows {
        let among = if row.try_get("forgotten")? { &mut whole } else { &mut bodies };
        among.push(row.try_get::<i64, _>("id")?);
    }
    remove(connection, schema, &whole).await?;
    let prune = "WITH removed AS (DELETE FROM onramp.bodies WHERE id = ANY ($1))
        UPDATE onramp.deliveries SET pruned = true WHERE id = ANY ($1)";
    sqlx::query(schema.sql(prune)).bind(bodies).execute(connection).await?;
    Ok(rows.len() as u64)
}

//! Removal of bodies: of deliveries that are old, and of one that an operator forgets.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Retention, State, why_not_forgotten};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{PgConnection, Row};

use super::record::remove;
use super::state::{CONFLICT, DEAD, HANDLED, QUARANTINED, sql};
use crate::db::{Schema, column};

/// The maximum number of deliveries in one statement, so that no transaction grows large.
const ROUND: i64 = 1_000;

// Each state has an index that contains its old deliveries and few others. No index contains the state, see the schema.
sql!(
    OLD = "SELECT id, key IS NULL OR key_expires_at IS NOT NULL OR state = {QUARANTINED} AS whole FROM onramp.deliveries WHERE id = ANY (ARRAY (
            (SELECT id FROM onramp.deliveries WHERE state = {HANDLED} AND cause IS NULL AND NOT pruned AND settled_at < $2
                AND coalesce(key_expires_at <= $1, true) ORDER BY settled_at LIMIT $6)
            UNION ALL
            (SELECT id FROM onramp.deliveries WHERE state = {DEAD} AND cause IS NOT NULL AND NOT pruned AND settled_at < $3
                AND coalesce(key_expires_at <= $1, true) ORDER BY settled_at LIMIT $6)
            UNION ALL
            (SELECT id FROM onramp.deliveries WHERE due_at IS NULL AND waits_at IS NULL AND settled_at IS NULL AND NOT pruned
                AND received_at < CASE state WHEN {CONFLICT} THEN $4::bigint WHEN {QUARANTINED} THEN $5::bigint END
                AND received_at < greatest($4::bigint, $5::bigint)
                AND coalesce(key_expires_at <= $1, true) ORDER BY received_at LIMIT $6)))
    ORDER BY id LIMIT $6 FOR UPDATE SKIP LOCKED"
);
const FORGET: &str = "WITH removed AS (DELETE FROM onramp.bodies WHERE id = ANY ($1)),
        forgotten AS (UPDATE onramp.history SET text = NULL WHERE delivery = ANY ($1) AND text IS NOT NULL)
    UPDATE onramp.deliveries SET pruned = true, note = NULL, resolution = NULL WHERE id = ANY ($1)";

/// Prunes deliveries that are older than the retention of their state.
pub(super) async fn prune(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    retention: Retention,
) -> sqlx::Result<u64> {
    let before = |state| now.before(retention.of(state).unwrap_or_default()).as_millis();
    let rows = schema
        .query(&OLD)
        .bind(now.as_millis())
        .bind(before(State::Handled))
        .bind(before(State::Dead))
        .bind(before(State::Conflict))
        .bind(before(State::Quarantined))
        .bind(ROUND)
        .fetch_all(&mut *connection)
        .await?;
    let (mut whole, mut bodies) = (Vec::new(), Vec::new());
    for row in &rows {
        let among = if row.try_get("whole")? { &mut whole } else { &mut bodies };
        among.push(row.try_get::<i64, _>("id")?);
    }
    remove(connection, schema, &whole).await?;
    schema.query(FORGET).bind(bodies).execute(connection).await?;
    Ok(rows.len() as u64)
}

sql!(LOCK = "SELECT state, key IS NULL OR state = {QUARANTINED} AS whole FROM onramp.deliveries WHERE id = $1 FOR UPDATE");

/// Forgets one delivery. The inner error is the reason why it cannot be forgotten.
pub(super) async fn forget(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
) -> sqlx::Result<Result<(), StoreError>> {
    let found = schema.query(&LOCK).bind(id.as_i64()).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "forget"))) };
    if let Some(why) = why_not_forgotten(column::state(&row)?) {
        return Ok(Err(StoreError::new(StoreErrorKind::Refused, "forget").because(why)));
    }
    if row.try_get("whole")? {
        remove(connection, schema, &[id.as_i64()]).await?;
    } else {
        schema.query(FORGET).bind([id.as_i64()].as_slice()).execute(connection).await?;
    }
    Ok(Ok(()))
}

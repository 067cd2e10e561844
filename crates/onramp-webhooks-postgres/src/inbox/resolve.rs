//! Resolution of deliveries by operators.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, HistoryEntry, HistoryKind, why_not_resolved};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::PgConnection;

use super::history;
use crate::db::{Schema, column, text};

const LOCK: &str = "SELECT state FROM onramp.deliveries WHERE id = $1 FOR UPDATE";

// A delivery that is settled after its resolution is open again, so the resolution must not be older than the settlement.
const RESOLVE: &str = "UPDATE onramp.deliveries SET resolved_at = greatest($2, settled_at), resolution = $3 WHERE id = $1";
const REOPEN: &str =
    "UPDATE onramp.deliveries SET resolved_at = NULL, resolution = NULL WHERE id = $1 AND resolved_at IS NOT NULL";

/// Resolves a delivery. The inner error is the reason why it cannot be resolved.
pub(super) async fn resolve(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    id: DeliveryId,
    note: &str,
) -> sqlx::Result<Result<(), StoreError>> {
    let found = schema.query(LOCK).bind(id.as_i64()).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "resolve"))) };
    if let Some(why) = why_not_resolved(column::state(&row)?) {
        return Ok(Err(StoreError::new(StoreErrorKind::Refused, "resolve").because(why)));
    }
    let resolve = schema.query(RESOLVE).bind(id.as_i64()).bind(now.as_millis()).bind(text::stored(note).into_owned());
    resolve.execute(&mut *connection).await?;
    history::add(connection, schema, &[(id, HistoryEntry::new(HistoryKind::Resolved, now).text(note))]).await?;
    Ok(Ok(()))
}

/// Takes back a resolution.
pub(super) async fn reopen(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    id: DeliveryId,
) -> sqlx::Result<Result<(), StoreError>> {
    let found = schema.query(LOCK).bind(id.as_i64()).fetch_optional(&mut *connection).await?;
    if found.is_none() {
        return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "reopen")));
    }
    let reopened = schema.query(REOPEN).bind(id.as_i64()).execute(&mut *connection).await?;
    if reopened.rows_affected() > 0 {
        history::add_each(connection, schema, now, id, &[HistoryKind::Reopened]).await?;
    }
    Ok(Ok(()))
}

//! The histories of deliveries.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, HistoryEntry, HistoryKind, MOST_ENTRIES};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{PgConnection, Row};

use crate::db::{Schema, column, text};

const REMEMBER: &str = "SELECT onramp.remember($1, $2, $3, $4, $5, $6)";

/// Adds entries to the histories of deliveries that the transaction has changed or locked.
pub(super) async fn add(
    connection: &mut PgConnection,
    schema: &Schema,
    entries: &[(DeliveryId, HistoryEntry)],
) -> sqlx::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    macro_rules! each {
        (|$id:ident, $entry:ident| $value:expr) => {
            entries.iter().map(|($id, $entry)| $value).collect::<Vec<_>>()
        };
    }
    schema
        .query(REMEMBER)
        .bind(each!(|id, _entry| id.as_i64()))
        .bind(each!(|_id, entry| i16::from(entry.kind.as_u8())))
        .bind(each!(|_id, entry| entry.cause.map(|cause| i16::from(cause.as_u8()))))
        .bind(each!(|_id, entry| entry.last_at.as_millis()))
        .bind(each!(|_id, entry| entry.text.as_deref().map(text::stored)))
        .bind(i64::try_from(MOST_ENTRIES).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map(drop)
}

/// Adds one entry for each kind.
pub(super) async fn add_each(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    id: DeliveryId,
    kinds: &[HistoryKind],
) -> sqlx::Result<()> {
    let entries: Vec<_> = kinds.iter().map(|kind| (id, HistoryEntry::new(*kind, now))).collect();
    add(connection, schema, &entries).await
}

const LOCK: &str = "SELECT id FROM onramp.deliveries WHERE id = $1 FOR UPDATE";

/// Adds that an operator saw personal data. The inner error says that there is no such delivery.
pub(super) async fn revealed(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    id: DeliveryId,
    operator: &str,
) -> sqlx::Result<Result<(), StoreError>> {
    if schema.query(LOCK).bind(id.as_i64()).fetch_optional(&mut *connection).await?.is_none() {
        return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "reveal")));
    }
    add(connection, schema, &[(id, HistoryEntry::new(HistoryKind::Revealed, now).text(operator))]).await?;
    Ok(Ok(()))
}

const READ: &str = "SELECT kind, cause, first_at, last_at, times, text FROM onramp.history WHERE delivery = $1 ORDER BY nth";

/// Returns the history of a delivery, the oldest entry first.
pub(super) async fn read(connection: &mut PgConnection, schema: &Schema, id: DeliveryId) -> sqlx::Result<Vec<HistoryEntry>> {
    let rows = schema.query(READ).bind(id.as_i64()).fetch_all(connection).await?;
    let entries = rows.iter().map(|row| {
        let kind = u8::try_from(row.try_get::<i16, _>("kind")?).map_or(HistoryKind::Unknown, HistoryKind::from_u8);
        let mut entry = HistoryEntry::new(kind, Timestamp::from_millis(row.try_get("last_at")?));
        entry.first_at = Timestamp::from_millis(row.try_get("first_at")?);
        (entry.cause, entry.times, entry.text) = (column::cause(row)?, column::count(row, "times")?, column::text(row, "text")?);
        Ok(entry)
    });
    entries.collect()
}

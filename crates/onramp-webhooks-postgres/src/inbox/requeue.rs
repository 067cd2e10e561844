//! The store's half of a replay.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, NewDelivery, Replayed, State};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{PgConnection, Row};

use crate::record::{count_duplicate, holder, keep_conflict, remove};
use crate::schema::Schema;
use crate::{column, text};

/// Makes a delivery pending; the inner result says why not.
pub(crate) async fn rearm(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    seen: State,
    reread: Option<&NewDelivery>,
) -> sqlx::Result<Result<Replayed, StoreError>> {
    let find = "SELECT state, EXISTS (SELECT FROM onramp.bodies b WHERE b.id = d.id) AS whole
                FROM onramp.deliveries d WHERE id = $1 FOR UPDATE";
    let found = sqlx::query(schema.sql(find)).bind(id.as_i64()).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "replay"))) };
    let refused = |why| Ok(Err(StoreError::new(StoreErrorKind::Refused, "replay").because(why)));
    match (column::state(&row)?, row.try_get("whole")?) {
        (State::Leased, _) => return refused("a worker holds it"),
        (_, false) => return refused("its body was pruned"),
        (state, true) if state != seen => return refused("its state has changed meanwhile"),
        _ => {}
    }
    if let Some(reread) = reread
        && let Some(elsewhere) = adopt(connection, schema, id, reread).await?
    {
        return Ok(Ok(elsewhere));
    }
    let arm = "UPDATE onramp.deliveries SET state = 0, due_at = NULL, attempts = 0, settled_at = NULL, junk = NULL WHERE id = $1";
    sqlx::query(schema.sql(arm)).bind(id.as_i64()).execute(connection).await?;
    Ok(Ok(Replayed::Due))
}

/// Gives a delivery the identity that was read from it; answers what became of it when another delivery has that identity.
async fn adopt(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    reread: &NewDelivery,
) -> sqlx::Result<Option<Replayed>> {
    let key = reread.key.as_ref();
    if let Some(first) = holder(connection, schema, key, reread.received_at).await?.filter(|first| first.id != id) {
        remove(connection, schema, &[id.as_i64()]).await?;
        if first.is_repeated_by(connection, schema, reread).await? {
            count_duplicate(connection, schema, &first).await?;
            return Ok(Some(Replayed::Duplicate { first: first.id }));
        }
        keep_conflict(connection, schema, reread, first.id).await?;
        return Ok(Some(Replayed::Conflict { first: first.id }));
    }
    let adopt = "UPDATE onramp.deliveries
        SET event_type = $2, subject = $3, discriminator = $4, key = $5, key_expires_at = $6, stage = $7, order_key = $8
        WHERE id = $1";
    sqlx::query(schema.sql(adopt))
        .bind(id.as_i64())
        .bind(reread.event_type.as_deref().map(text::kept))
        .bind(key.map(|key| text::kept(key.subject())))
        .bind(key.map(|key| text::kept(key.discriminator())))
        .bind(key.map(column::hash_of_key))
        .bind(reread.key_expires_at.map(Timestamp::as_millis))
        .bind(reread.stage.map(|stage| i16::from(stage.as_u8())))
        .bind(column::hash_of_order(key, reread.stage))
        .execute(connection)
        .await?;
    Ok(None)
}

//! Requeueing of one delivery, for a replay.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, HistoryKind, NewDelivery, Replayed, Requeue, State};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{PgConnection, Row};

use super::history;
use super::lock::{Locked, Rows, lock};
use super::queue::{free_key, leave};
use super::record::{count_duplicate, find_holder, keep_conflict, make_pending, remove};
use super::state::{RESOLVED, sql};
use crate::db::{Schema, column, text};

/// Makes a delivery pending. The inner error is the reason why it cannot be requeued.
pub(super) async fn requeue(
    connection: &mut PgConnection,
    schema: &Schema,
    request: &Requeue,
) -> sqlx::Result<Result<Replayed, StoreError>> {
    let Requeue { at, id, seen, ref reread, .. } = *request;
    let order = order(connection, schema, id).await?;
    let mut rows = Rows { ids: vec![id.as_i64()], orders: order.iter().cloned().collect(), ..Rows::default() };
    reread.iter().for_each(|reread| rows.add_holders_of(reread));
    lock(connection, schema, rows, Locked::Wait).await?;
    if let Some(refusal) = refusal(connection, schema, id, seen).await? {
        return Ok(Err(refusal));
    }
    leave(connection, schema, id, order.as_deref()).await?;
    let order = match reread {
        Some(reread) => {
            if let Some(replayed) = adopt(connection, schema, id, reread).await? {
                return Ok(Ok(replayed));
            }
            column::hash_of_order(reread.key.as_ref(), reread.stage)
        }
        None => order,
    };
    make_pending(&mut *connection, schema, id, order.as_deref()).await?;
    history::add_each(connection, schema, at, id, &[HistoryKind::Replayed]).await?;
    Ok(Ok(Replayed::Due))
}

const ORDER: &str = "SELECT order_key FROM onramp.deliveries WHERE id = $1";

async fn order(connection: &mut PgConnection, schema: &Schema, id: DeliveryId) -> sqlx::Result<Option<Vec<u8>>> {
    let order: Option<Option<Vec<u8>>> = schema.scalar(ORDER).bind(id.as_i64()).fetch_optional(connection).await?;
    Ok(order.flatten())
}

sql!(
    FOUND =
        "SELECT state, EXISTS (SELECT FROM onramp.bodies b WHERE b.id = d.id) AS whole, coalesce({RESOLVED}, false) AS resolved
    FROM onramp.deliveries d WHERE id = $1",
    RESOLVED = RESOLVED
);

/// Returns the reason why a delivery cannot be requeued.
async fn refusal(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    seen: State,
) -> sqlx::Result<Option<StoreError>> {
    let found = schema.query(&FOUND).bind(id.as_i64()).fetch_optional(connection).await?;
    let Some(row) = found else { return Ok(Some(StoreError::new(StoreErrorKind::NotFound, "replay"))) };
    let refused = |why| Some(StoreError::new(StoreErrorKind::Refused, "replay").because(why));
    let is_resolved = row.try_get("resolved")?;
    Ok(match (column::state(&row)?, row.try_get("whole")?) {
        (State::Unknown, _) => refused("this version does not know its state"),
        (State::Leased, _) => refused("a worker holds it"),
        _ if is_resolved => refused("an operator has resolved it; reopen it first"),
        (_, false) => refused("its body was removed"),
        (state, true) if state != seen => refused("its state has changed meanwhile"),
        _ => None,
    })
}

/// Gives a delivery the identity that was read from its body. If another delivery has that identity, the delivery is removed and counted
/// as its duplicate, or kept as its conflict.
async fn adopt(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    reread: &NewDelivery,
) -> sqlx::Result<Option<Replayed>> {
    match find_holder(connection, schema, reread.key.as_ref()).await? {
        Some(holder) if holder.has_expired(reread.received_at) => {
            free_key(connection, schema, holder.id, holder.order.as_deref()).await?;
        }
        Some(first) if first.id != id => {
            remove(connection, schema, &[id.as_i64()]).await?;
            if first.is_repeated_by(reread) {
                count_duplicate(connection, schema, reread.received_at, &first).await?;
                return Ok(Some(Replayed::Duplicate { first: first.id }));
            }
            keep_conflict(connection, schema, reread, first.id).await?;
            return Ok(Some(Replayed::Conflict { first: first.id }));
        }
        _ => {}
    }
    identify(connection, schema, id, reread).await?;
    Ok(None)
}

const IDENTIFY: &str = "UPDATE onramp.deliveries
    SET event_type = $2, subject = $3, discriminator = $4, key = $5, key_expires_at = $6, stage = $7, order_key = $8,
        fingerprint = $9
    WHERE id = $1";

async fn identify(connection: &mut PgConnection, schema: &Schema, id: DeliveryId, reread: &NewDelivery) -> sqlx::Result<()> {
    let key = reread.key.as_ref();
    schema
        .query(IDENTIFY)
        .bind(id.as_i64())
        .bind(reread.event_type.as_deref().map(text::stored))
        .bind(key.map(|key| text::stored(key.subject())))
        .bind(key.map(|key| text::stored(key.discriminator())))
        .bind(key.map(column::hash_of_key))
        .bind(reread.key_expires_at.map(Timestamp::as_millis))
        .bind(reread.stage.map(|stage| i16::from(stage.as_u8())))
        .bind(column::hash_of_order(key, reread.stage))
        .bind(reread.fingerprint.as_bytes().as_slice())
        .execute(connection)
        .await
        .map(drop)
}

//! The store's half of a replay.

use onramp_webhooks::inbox::{DeliveryId, NewDelivery, Replayed, State};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{OptionalExtension, params};

use crate::batch::Batch;
use crate::record::{count_duplicate, holder, keep_conflict, remove};

/// Makes a delivery pending; the inner result says why not.
pub(crate) fn rearm(
    batch: &mut Batch<'_>,
    id: DeliveryId,
    seen: State,
    reread: Option<&NewDelivery>,
) -> rusqlite::Result<Result<Replayed, StoreError>> {
    let connection = batch.connection;
    let found: Option<(u8, bool)> = connection
        .prepare_cached("SELECT state, EXISTS (SELECT 1 FROM onramp_bodies b WHERE b.id = d.id) FROM onramp_deliveries d WHERE id = ? AND state < 8")?
        .query_row([id.as_i64()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let refused = |why| Ok(Err(StoreError::new(StoreErrorKind::Refused, "replay").because(why)));
    match found {
        None => return Ok(Err(StoreError::new(StoreErrorKind::NotFound, "replay"))),
        Some((state, _)) if state == State::Leased.as_u8() => return refused("a worker holds it"),
        Some((_, false)) => return refused("its body was pruned"),
        Some((state, _)) if state != seen.as_u8() => return refused("its state has changed meanwhile"),
        Some(_) => {}
    }
    if let Some(reread) = reread
        && let Some(elsewhere) = adopt(batch, id, reread)?
    {
        return Ok(Ok(elsewhere));
    }
    connection.prepare_cached("DELETE FROM onramp_junk WHERE id = ?")?.execute([id.as_i64()])?;
    connection
        .prepare_cached("UPDATE onramp_deliveries SET state = 0, due_at = 0, attempts = 0, settled_at = NULL WHERE id = ?")?
        .execute([id.as_i64()])?;
    Ok(Ok(Replayed::Due))
}

/// Gives a delivery the identity that was read from it; answers what became of it when another delivery has that identity.
fn adopt(batch: &mut Batch<'_>, id: DeliveryId, reread: &NewDelivery) -> rusqlite::Result<Option<Replayed>> {
    let connection = batch.connection;
    if let Some(first) = holder(connection, reread.key.as_ref(), reread.received_at)?.filter(|first| first.id != id) {
        remove(connection, id)?;
        if first.is_repeated_by(connection, reread)? {
            count_duplicate(connection, first.id)?;
            return Ok(Some(Replayed::Duplicate { first: first.id }));
        }
        keep_conflict(batch, reread, first.id)?;
        return Ok(Some(Replayed::Conflict { first: first.id }));
    }
    connection
        .prepare_cached(
            "UPDATE onramp_deliveries SET event_type = ?, subject = ?, discriminator = ?, key_expires_at = ?, stage = ? WHERE id = ?",
        )?
        .execute(params![
            reread.event_type,
            reread.key.as_ref().map(|key| key.subject()),
            reread.key.as_ref().map(|key| key.discriminator()),
            reread.key_expires_at.map(|at| at.as_millis()),
            reread.stage.map(|stage| stage.as_u8()),
            id.as_i64(),
        ])?;
    Ok(None)
}

//! Requeueing of one delivery, for a replay.

use onramp_webhooks::inbox::{DeliveryId, HistoryEntry, HistoryKind, NewDelivery, Replayed, Requeue, State};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, OptionalExtension, params};

use super::history;
use super::queue::{free_key, leave};
use super::record::{count_duplicate, find_holder, keep_conflict, make_pending, remove, share};
use super::state::{REMOVED, RESOLVED, sql};
use crate::db::Batch;

/// Makes a delivery pending. The inner error is the reason why it cannot be requeued.
pub(super) fn requeue(batch: &mut Batch<'_>, request: &Requeue) -> rusqlite::Result<Result<Replayed, StoreError>> {
    let Requeue { at, id, seen, ref reread, .. } = *request;
    if let Some(refusal) = refusal(batch.connection, id, seen)? {
        return Ok(Err(refusal));
    }
    leave(batch.connection, id)?;
    if let Some(reread) = reread
        && let Some(replayed) = adopt(batch, id, reread)?
    {
        return Ok(Ok(replayed));
    }
    batch.connection.prepare_cached(NO_NOISE)?.execute([id.as_i64()])?;
    make_pending(batch.connection, id)?;
    history::add(batch.connection, id, &HistoryEntry::new(HistoryKind::Replayed, at))?;
    Ok(Ok(Replayed::Due))
}

sql!(
    FIND = "SELECT state, EXISTS (SELECT 1 FROM onramp_bodies b WHERE b.id = d.id), {RESOLVED}
     FROM onramp_deliveries d WHERE id = ? AND state <> {REMOVED}",
    RESOLVED = RESOLVED
);

/// Returns the reason why a delivery cannot be requeued.
fn refusal(connection: &Connection, id: DeliveryId, seen: State) -> rusqlite::Result<Option<StoreError>> {
    let found: Option<(u8, bool, bool)> = connection
        .prepare_cached(&FIND)?
        .query_row([id.as_i64()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<bool>>(2)?.unwrap_or_default())))
        .optional()?;
    let refused = |why| Some(StoreError::new(StoreErrorKind::Refused, "replay").because(why));
    Ok(match found {
        None => Some(StoreError::new(StoreErrorKind::NotFound, "replay")),
        Some((state, ..)) if State::from_u8(state) == State::Unknown => refused("this version does not know its state"),
        Some((state, ..)) if state == State::Leased.as_u8() => refused("a worker holds it"),
        Some((.., true)) => refused("an operator has resolved it; reopen it first"),
        Some((_, false, _)) => refused("its body was removed"),
        Some((state, ..)) if state != seen.as_u8() => refused("its state has changed meanwhile"),
        Some(_) => None,
    })
}

const NO_NOISE: &str = "DELETE FROM onramp_noise WHERE id = ?";

/// Gives a delivery the identity that was read from its body. If another delivery has that identity, the delivery is removed and counted
/// as its duplicate, or kept as its conflict.
fn adopt(batch: &mut Batch<'_>, id: DeliveryId, reread: &NewDelivery) -> rusqlite::Result<Option<Replayed>> {
    let connection = batch.connection;
    match find_holder(connection, reread.key.as_ref())? {
        Some(holder) if holder.has_expired(reread.received_at) => free_key(connection, holder.id)?,
        Some(first) if first.id != id => {
            remove(connection, id)?;
            if first.is_repeated_by(reread) {
                count_duplicate(connection, reread.received_at, first.id)?;
                return Ok(Some(Replayed::Duplicate { first: first.id }));
            }
            keep_conflict(batch, reread, first.id)?;
            return Ok(Some(Replayed::Conflict { first: first.id }));
        }
        _ => {}
    }
    let is_shared = share(batch, reread.key.as_ref())?;
    identify(connection, id, reread, is_shared)?;
    Ok(None)
}

const IDENTIFY: &str = "UPDATE onramp_deliveries
     SET event_type = ?, subject = ?, discriminator = ?, key_expires_at = ?, stage = ?, shared = ?, fingerprint = ? WHERE id = ?";

fn identify(connection: &Connection, id: DeliveryId, reread: &NewDelivery, is_shared: bool) -> rusqlite::Result<()> {
    let values = params![
        reread.event_type,
        reread.key.as_ref().map(|key| key.subject()),
        reread.key.as_ref().map(|key| key.discriminator()),
        reread.key_expires_at.map(|at| at.as_millis()),
        reread.stage.map(|stage| stage.as_u8()),
        is_shared,
        reread.fingerprint.as_bytes().as_slice(),
        id.as_i64(),
    ];
    connection.prepare_cached(IDENTIFY)?.execute(values).map(drop)
}

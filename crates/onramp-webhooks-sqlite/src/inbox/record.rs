//! Keeping a delivery: new, duplicate or conflict.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::{Fingerprint, Repeat};
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeliveryId, NewDelivery, QuarantineBound, Recorded, State, conflict_note};
use rusqlite::{Connection, OptionalExtension, params};

use crate::batch::Batch;

/// Keeps a delivery.
pub(crate) fn record(batch: &mut Batch<'_>, new: &NewDelivery, bound: QuarantineBound) -> rusqlite::Result<Recorded> {
    if let Some(id) = insert_new(batch, new, bound)? {
        return Ok(Recorded::New(id));
    }
    let connection = batch.connection;
    match holder(connection, new.key.as_ref(), new.received_at)? {
        Some(first) if first.is_repeated_by(connection, new)? => {
            let rearmed = count_duplicate(connection, first.id)?;
            Ok(Recorded::Duplicate { first: first.id, rearmed })
        }
        Some(first) => Ok(Recorded::Conflict { first: first.id, kept: keep_conflict(batch, new, first.id)? }),
        // The holder's time was over, and it has given the key up.
        None => insert_new(batch, new, bound)?.map(Recorded::New).ok_or(rusqlite::Error::QueryReturnedNoRows),
    }
}

/// `None` when the key is held by another delivery.
fn insert_new(batch: &mut Batch<'_>, new: &NewDelivery, bound: QuarantineBound) -> rusqlite::Result<Option<DeliveryId>> {
    let (state, note) = match &new.quarantine {
        Some(quarantine) => (State::Quarantined, Some(quarantine.reason.as_str())),
        None => (State::Pending, None),
    };
    let id = insert(batch, new, new.key.as_ref(), state, note)?;
    if let (Some(id), Some(quarantine)) = (id, &new.quarantine)
        && quarantine.junk
    {
        keep_junk(batch.connection, id, new.body.len(), bound)?;
    }
    Ok(id)
}

fn insert(
    batch: &mut Batch<'_>,
    new: &NewDelivery,
    key: Option<&DedupKey>,
    state: State,
    note: Option<&str>,
) -> rusqlite::Result<Option<DeliveryId>> {
    let inserted = batch.insert()?.execute(params![
        &*new.endpoint,
        new.provider.as_str(),
        new.event_type,
        key.map(DedupKey::subject),
        key.map(DedupKey::discriminator),
        new.key_expires_at.map(Timestamp::as_millis),
        new.stage.map(|stage| stage.as_u8()),
        new.fingerprint.as_bytes().as_slice(),
        state.as_u8(),
        (state == State::Pending).then_some(0_i64),
        new.received_at.as_millis(),
        note,
    ])?;
    if inserted == 0 {
        return Ok(None);
    }
    let id = batch.connection.last_insert_rowid();
    batch.insert_body()?.execute(params![id, new.body.as_ref()])?;
    Ok(Some(DeliveryId::from_i64(id)))
}

/// A delivery that holds a key.
pub(crate) struct Holder {
    pub(crate) id: DeliveryId,
    fingerprint: Fingerprint,
}

impl Holder {
    /// Whether `new` is a duplicate of this one. One that was really sent replaces what was not.
    pub(crate) fn is_repeated_by(&self, connection: &Connection, new: &NewDelivery) -> rusqlite::Result<bool> {
        let repeat = self.fingerprint.repeated_by(&new.fingerprint);
        if repeat == Repeat::Supersedes {
            connection
                .prepare_cached("UPDATE onramp_deliveries SET fingerprint = ? WHERE id = ?")?
                .execute(params![new.fingerprint.as_bytes().as_slice(), self.id.as_i64()])?;
            connection
                .prepare_cached("UPDATE onramp_bodies SET body = ? WHERE id = ?")?
                .execute(params![new.body.as_ref(), self.id.as_i64()])?;
        }
        Ok(repeat != Repeat::Conflict)
    }
}

/// The delivery that holds `key` now; one whose time is over gives the key up.
pub(crate) fn holder(connection: &Connection, key: Option<&DedupKey>, now: Timestamp) -> rusqlite::Result<Option<Holder>> {
    let Some(key) = key else { return Ok(None) };
    let found = connection
        .prepare_cached("SELECT id, fingerprint, key_expires_at FROM onramp_deliveries WHERE subject = ? AND discriminator = ?")?
        .query_row(params![key.subject(), key.discriminator()], |row| {
            let holder = Holder { id: DeliveryId::from_i64(row.get(0)?), fingerprint: Fingerprint::from_bytes(row.get(1)?) };
            Ok((holder, row.get::<_, Option<i64>>(2)?))
        })
        .optional()?;
    match found {
        Some((expired, Some(expires_at))) if expires_at <= now.as_millis() => {
            connection
                .prepare_cached("UPDATE onramp_deliveries SET subject = NULL, discriminator = NULL WHERE id = ?")?
                .execute([expired.id.as_i64()])?;
            Ok(None)
        }
        found => Ok(found.map(|(holder, _)| holder)),
    }
}

/// Counts a duplicate on the first of its kind, and answers whether that was armed again.
pub(crate) fn count_duplicate(connection: &Connection, first: DeliveryId) -> rusqlite::Result<bool> {
    let rearmed = connection
        .prepare_cached(
            "UPDATE onramp_deliveries SET duplicates = duplicates + 1, state = 0, due_at = 0, attempts = 0, settled_at = NULL
             WHERE id = ? AND state IN (2, 5)",
        )?
        .execute([first.as_i64()])?;
    if rearmed == 0 {
        connection
            .prepare_cached("UPDATE onramp_deliveries SET duplicates = duplicates + 1 WHERE id = ?")?
            .execute([first.as_i64()])?;
    }
    Ok(rearmed > 0)
}

/// Keeps a delivery beside the one that holds its key; once, however often it comes.
pub(crate) fn keep_conflict(batch: &mut Batch<'_>, new: &NewDelivery, first: DeliveryId) -> rusqlite::Result<DeliveryId> {
    let key = new.key.as_ref().map(|key| key.conflicting(&new.fingerprint));
    if let Some(kept) = insert(batch, new, key.as_ref(), State::Conflict, Some(&conflict_note(first)))? {
        return Ok(kept);
    }
    // No time limit: a conflict of an event whose key counts for a while only cannot be, its fingerprint is in its key.
    let kept =
        holder(batch.connection, key.as_ref(), Timestamp::from_millis(i64::MIN))?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    count_duplicate(batch.connection, kept.id)?;
    Ok(kept.id)
}

/// Enters a delivery among the junk, and removes the oldest beyond the bound.
fn keep_junk(connection: &Connection, id: DeliveryId, size: usize, bound: QuarantineBound) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO onramp_junk (id, size) VALUES (?, ?)")?
        .execute(params![id.as_i64(), i64::try_from(size).unwrap_or(i64::MAX)])?;
    let evicted: Vec<i64> = connection
        .prepare_cached(
            "SELECT id FROM (SELECT id, row_number() OVER newest AS nth, sum(size) OVER newest AS bytes
                             FROM onramp_junk WINDOW newest AS (ORDER BY id DESC))
             WHERE nth > ? OR bytes > ?",
        )?
        .query_map(params![bound.deliveries, i64::try_from(bound.bytes).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    evicted.into_iter().try_for_each(|id| remove(connection, DeliveryId::from_i64(id)))
}

/// Removes a delivery and all that belongs to it. Of the newest one a row stays that nobody sees, because SQLite gives the next
/// delivery the greatest id plus one, and ids are never used again.
pub(crate) fn remove(connection: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM onramp_bodies WHERE id = ?",
        "DELETE FROM onramp_junk WHERE id = ?",
        "UPDATE onramp_deliveries SET state = 8, due_at = NULL, subject = NULL, discriminator = NULL, note = NULL WHERE id = ?",
        "DELETE FROM onramp_deliveries WHERE id = ? AND id < (SELECT max(id) FROM onramp_deliveries)",
    ] {
        connection.prepare_cached(statement)?.execute([id.as_i64()])?;
    }
    Ok(())
}

//! Recording of deliveries as new, duplicate or conflict.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{
    DeliveryId, HistoryEntry, HistoryKind, NewDelivery, QuarantineBound, Recorded, State, conflict_note,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::history;
use super::queue::{Place, enter, free_key, leave, place, settle_head};
use super::state::{ATTEMPTS_USED_UP, HANDLED, PENDING, REMOVED, RESOLVED, RETRYING, sql};
use crate::db::Batch;
use crate::db::column::bound as bounded;

/// Records a delivery.
pub(super) fn record(batch: &mut Batch<'_>, new: &NewDelivery, bound: QuarantineBound) -> rusqlite::Result<Recorded> {
    let is_shared = share(batch, new.key.as_ref())?;
    match find_holder(batch.connection, new.key.as_ref().filter(|_| is_shared))? {
        None => {}
        Some(holder) if holder.has_expired(new.received_at) => free_key(batch.connection, holder.id)?,
        Some(first) if first.is_repeated_by(new) => {
            let requeued = count_duplicate(batch.connection, new.received_at, first.id)?;
            return Ok(Recorded::Duplicate { first: first.id, requeued });
        }
        Some(first) => return Ok(Recorded::Conflict { first: first.id, kept: keep_conflict(batch, new, first.id)? }),
    }
    insert_new(batch, new, is_shared, bound).map(Recorded::New)
}

sql!(SHARE = "UPDATE onramp_deliveries SET shared = 1, handled_stage = CASE WHEN state = {HANDLED} THEN stage END WHERE id = ?");

/// Returns whether there are deliveries with the subject of `key`. The only one enters the indexes of shared subjects before another one
/// joins it.
pub(super) fn share(batch: &mut Batch<'_>, key: Option<&DedupKey>) -> rusqlite::Result<bool> {
    let Some(key) = key else { return Ok(false) };
    let one = batch.one_of_subject()?.query_row([key.subject()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((id, false)) = one {
        let id: i64 = id;
        batch.connection.prepare_cached(&SHARE)?.execute([id])?;
    }
    Ok(one.is_some())
}

fn insert_new(batch: &mut Batch<'_>, new: &NewDelivery, is_shared: bool, bound: QuarantineBound) -> rusqlite::Result<DeliveryId> {
    let Some(quarantine) = &new.quarantine else {
        return insert(batch, new, new.key.as_ref(), is_shared, State::Pending, None);
    };
    let id = insert(batch, new, new.key.as_ref(), is_shared, State::Quarantined, Some(&quarantine.reason))?;
    if quarantine.noise {
        keep_noise(batch.connection, id, new.body.len(), bound)?;
    }
    Ok(id)
}

/// Inserts a delivery. Its key must be free.
fn insert(
    batch: &mut Batch<'_>,
    new: &NewDelivery,
    key: Option<&DedupKey>,
    is_shared: bool,
    state: State,
    note: Option<&str>,
) -> rusqlite::Result<DeliveryId> {
    let waits = state == State::Pending;
    let order = key.filter(|_| waits && is_shared && new.stage.is_some()).map(DedupKey::subject);
    let place = order.map_or(Ok(Place::Head), |order| place(batch.connection, order))?;
    let is_head = matches!(place, Place::Head);
    batch.insert()?.execute(params![
        &*new.endpoint,
        new.provider.as_str(),
        new.event_type,
        key.map(DedupKey::subject),
        key.map(DedupKey::discriminator),
        new.key_expires_at.map(Timestamp::as_millis),
        new.stage.map(OrderStage::as_u8),
        is_shared,
        new.fingerprint.as_bytes().as_slice(),
        state.as_u8(),
        (waits && is_head).then_some(0_i64),
        (waits && !is_head).then_some(0_i64),
        new.received_at.as_millis(),
        note,
    ])?;
    let id = batch.connection.last_insert_rowid();
    batch.insert_body()?.execute(params![id, new.body.as_ref()])?;
    if let (Place::Unsettled, Some(order)) = (place, order) {
        settle_head(batch.connection, order)?;
    }
    Ok(DeliveryId::from_i64(id))
}

/// A delivery that holds a key.
pub(super) struct Holder {
    pub(super) id: DeliveryId,
    pub(super) fingerprint: Fingerprint,
    received_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl Holder {
    /// Returns whether `new` is a duplicate of this delivery, and not a conflict.
    pub(super) fn is_repeated_by(&self, new: &NewDelivery) -> bool {
        new.repeats(&self.fingerprint, self.received_at)
    }

    /// Returns whether the delivery has to give up its key.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

const FIND_HOLDER: &str =
    "SELECT id, fingerprint, key_expires_at, received_at FROM onramp_deliveries WHERE subject = ? AND discriminator = ?";

/// Returns the delivery that holds `key`, even if its key has expired.
pub(super) fn find_holder(connection: &Connection, key: Option<&DedupKey>) -> rusqlite::Result<Option<Holder>> {
    let Some(key) = key else { return Ok(None) };
    connection
        .prepare_cached(FIND_HOLDER)?
        .query_row(params![key.subject(), key.discriminator()], |row| {
            Ok(Holder {
                id: DeliveryId::from_i64(row.get(0)?),
                fingerprint: Fingerprint::from_bytes(row.get(1)?),
                expires_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
                received_at: Timestamp::from_millis(row.get(3)?),
            })
        })
        .optional()
}

sql!(
    REQUEUES = "SELECT d.state = {RETRYING}
        OR (coalesce(d.cause = {ATTEMPTS_USED_UP}, false) AND b.id IS NOT NULL AND NOT {RESOLVED})
     FROM onramp_deliveries d LEFT JOIN onramp_bodies b ON b.id = d.id WHERE d.id = ?",
    RESOLVED = RESOLVED
);
const COUNT: &str = "UPDATE onramp_deliveries SET duplicates = duplicates + 1 WHERE id = ?";

/// Counts a duplicate of `first`, and returns whether that requeued it.
pub(super) fn count_duplicate(connection: &Connection, now: Timestamp, first: DeliveryId) -> rusqlite::Result<bool> {
    connection.prepare_cached(COUNT)?.execute([first.as_i64()])?;
    let requeues = connection.prepare_cached(&REQUEUES)?.query_row([first.as_i64()], |row| row.get(0))?;
    history::add(connection, first, &HistoryEntry::new(HistoryKind::Duplicate, now))?;
    if requeues {
        make_pending(connection, first)?;
        history::add(connection, first, &HistoryEntry::new(HistoryKind::Requeued, now))?;
    }
    Ok(requeues)
}

sql!(
    MAKE_PENDING = "UPDATE onramp_deliveries
     SET state = {PENDING}, attempts = 0, settled_at = NULL, cause = NULL, handled_stage = NULL, resolved_at = NULL, resolution = NULL
     WHERE id = ?"
);

/// Makes a delivery due at once, as if it had never been settled.
pub(super) fn make_pending(connection: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    leave(connection, id)?;
    connection.prepare_cached(&MAKE_PENDING)?.execute([id.as_i64()])?;
    enter(connection, id)
}

/// Records a delivery as a conflict with the one that holds its key. Repetitions of the conflict are only counted.
pub(super) fn keep_conflict(batch: &mut Batch<'_>, new: &NewDelivery, first: DeliveryId) -> rusqlite::Result<DeliveryId> {
    let key = new.key.as_ref().map(|key| key.conflicting(&new.fingerprint));
    // The key of a conflict never expires. Keys that expire contain the fingerprint, so they cannot have conflicts.
    if let Some(kept) = find_holder(batch.connection, key.as_ref())? {
        count_duplicate(batch.connection, new.received_at, kept.id)?;
        return Ok(kept.id);
    }
    let is_shared = share(batch, key.as_ref())?;
    insert(batch, new, key.as_ref(), is_shared, State::Conflict, Some(&conflict_note(first)))
}

const INSERT_NOISE: &str = "INSERT INTO onramp_noise (id, size) VALUES (?, ?)";
const NOISE_BEYOND: &str = "SELECT id FROM (SELECT id, row_number() OVER newest AS nth, sum(size) OVER newest AS bytes
                     FROM onramp_noise WINDOW newest AS (ORDER BY id DESC))
     WHERE nth > ? OR bytes > ?";

/// Lists a delivery as noise, and removes the oldest noise beyond the bound.
fn keep_noise(connection: &Connection, id: DeliveryId, size: usize, bound: QuarantineBound) -> rusqlite::Result<()> {
    connection.prepare_cached(INSERT_NOISE)?.execute(params![id.as_i64(), bounded(size)])?;
    let evicted: Vec<i64> = connection
        .prepare_cached(NOISE_BEYOND)?
        .query_map(params![bound.deliveries, bounded(bound.bytes)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    evicted.into_iter().try_for_each(|id| remove(connection, DeliveryId::from_i64(id)))
}

const REMOVE_BODY: &str = "DELETE FROM onramp_bodies WHERE id = ?";
const REMOVE_HISTORY: &str = "DELETE FROM onramp_history WHERE delivery = ?";
const REMOVE_NOISE: &str = "DELETE FROM onramp_noise WHERE id = ?";
sql!(
    HIDE = "UPDATE onramp_deliveries
     SET state = {REMOVED}, due_at = NULL, waits_at = NULL, subject = NULL, discriminator = NULL, handled_stage = NULL, note = NULL, resolution = NULL
     WHERE id = ?"
);
const REMOVE_UNLESS_NEWEST: &str = "DELETE FROM onramp_deliveries WHERE id = ? AND id < (SELECT max(id) FROM onramp_deliveries)";

/// Removes a delivery and its body.
///
/// SQLite gives the next delivery the greatest id plus one, and ids must not be used again, so the newest delivery leaves a hidden row.
pub(super) fn remove(connection: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    for statement in [REMOVE_BODY, REMOVE_HISTORY, REMOVE_NOISE, &HIDE, REMOVE_UNLESS_NEWEST] {
        connection.prepare_cached(statement)?.execute([id.as_i64()])?;
    }
    Ok(())
}

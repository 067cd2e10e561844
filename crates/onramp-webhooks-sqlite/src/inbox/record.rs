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
use super::state::{ATTEMPTS_USED_UP, PENDING, REMOVED, RESOLVED, RETRYING, sql};
use crate::db::Batch;
use crate::db::column::bound as bounded;

/// Records a delivery.
pub(super) fn record(batch: &mut Batch<'_>, new: &NewDelivery, bound: QuarantineBound) -> rusqlite::Result<Recorded> {
    if let Some(id) = insert_new(batch, new, bound)? {
        return Ok(Recorded::New(id));
    }
    let connection = batch.connection;
    match find_holder(connection, new.key.as_ref())? {
        Some(holder) if holder.has_expired(new.received_at) => {
            free_key(connection, holder.id)?;
            insert_new(batch, new, bound)?.map(Recorded::New).ok_or(rusqlite::Error::QueryReturnedNoRows)
        }
        Some(first) if first.is_repeated_by(new) => {
            let requeued = count_duplicate(connection, new.received_at, first.id)?;
            Ok(Recorded::Duplicate { first: first.id, requeued })
        }
        Some(first) => Ok(Recorded::Conflict { first: first.id, kept: keep_conflict(batch, new, first.id)? }),
        None => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}

/// Inserts a delivery. Returns `None` if another delivery holds its key.
fn insert_new(batch: &mut Batch<'_>, new: &NewDelivery, bound: QuarantineBound) -> rusqlite::Result<Option<DeliveryId>> {
    let (state, note) = match &new.quarantine {
        Some(quarantine) => (State::Quarantined, Some(quarantine.reason.as_str())),
        None => (State::Pending, None),
    };
    let id = insert(batch, new, new.key.as_ref(), state, note)?;
    if let (Some(id), Some(quarantine)) = (id, &new.quarantine)
        && quarantine.noise
    {
        keep_noise(batch.connection, id, new.body.len(), bound)?;
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
    let waits = state == State::Pending;
    let order = key.filter(|_| waits && new.stage.is_some()).map(DedupKey::subject);
    let connection = batch.connection;
    let mut insert = |is_head: bool| {
        batch.insert()?.execute(params![
            &*new.endpoint,
            new.provider.as_str(),
            new.event_type,
            key.map(DedupKey::subject),
            key.map(DedupKey::discriminator),
            new.key_expires_at.map(Timestamp::as_millis),
            new.stage.map(OrderStage::as_u8),
            new.fingerprint.as_bytes().as_slice(),
            state.as_u8(),
            (waits && is_head).then_some(0_i64),
            (waits && !is_head).then_some(0_i64),
            new.received_at.as_millis(),
            note,
        ])
    };
    // The indexes refuse a second delivery with the key, and a second head of the order.
    let (mut inserted, mut place) = (insert(true)?, Place::Head);
    if let (0, Some(order)) = (inserted, order) {
        place = self::place(connection, order)?;
        inserted = if matches!(place, Place::Head) { 0 } else { insert(false)? };
    }
    if inserted == 0 {
        return Ok(None);
    }
    let id = batch.connection.last_insert_rowid();
    batch.insert_body()?.execute(params![id, new.body.as_ref()])?;
    if let (Place::Unsettled, Some(order)) = (place, order) {
        settle_head(batch.connection, order)?;
    }
    Ok(Some(DeliveryId::from_i64(id)))
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
    if let Some(kept) = insert(batch, new, key.as_ref(), State::Conflict, Some(&conflict_note(first)))? {
        return Ok(kept);
    }
    // The key of a conflict never expires. Keys that expire contain the fingerprint, so they cannot have conflicts.
    let kept = find_holder(batch.connection, key.as_ref())?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    count_duplicate(batch.connection, new.received_at, kept.id)?;
    Ok(kept.id)
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

//! Recording of deliveries as new, duplicate or conflict.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, HistoryKind, NewDelivery, QuarantineBound, Recorded, State, conflict_note};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, Row};

use super::history;
use super::lock::{Locked, Rows, lock};
use super::queue::{enter, free_key, leave, lock_head, return_head, settle_head};
use super::state::{LEASED, PENDING, RESOLVED, sql};
use crate::db::{Schema, column, text};

/// The number of attempts to record a delivery if the delivery that holds its key is removed before it can be read.
const ATTEMPTS: usize = 5;

// Ids follow the order of arrival. Rows are written in the order of their orders and keys, because two batches that wait for each other's
// would deadlock. `$16` is set for the first delivery of its order in the batch.
//
// A delivery goes behind the head of its order only if that is locked, or is written by this statement. Left out are deliveries whose key
// is taken, whose head another transaction has locked, and those that may precede the head.
sql!(
    INSERT = "WITH new AS MATERIALIZED (
        SELECT nextval((SELECT pg_get_serial_sequence('onramp.deliveries', 'id')::regclass)) AS id, arrived.*
        FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[], $8::smallint[],
                    $9::bytea[], $10::bytea[], $11::smallint[], $12::bigint[], $13::text[], $14::bigint[], $15::bytea[], $16::boolean[])
            WITH ORDINALITY AS arrived (endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
                order_key, fingerprint, state, received_at, note, noise, body, is_first, nth)
    ), head AS MATERIALIZED (
        SELECT found.* FROM new CROSS JOIN LATERAL (
            SELECT id, order_key FROM onramp.deliveries
            WHERE order_key = new.order_key AND order_key IS NOT NULL AND due_at IS NOT NULL LIMIT 1) AS found
        WHERE new.is_first AND new.state = {PENDING}
    ), locked AS MATERIALIZED (
        SELECT order_key, state, due_at FROM onramp.deliveries
        WHERE id = ANY (ARRAY (SELECT id FROM head)) AND due_at IS NOT NULL ORDER BY id FOR UPDATE SKIP LOCKED
    ), placed AS MATERIALIZED (
        SELECT new.*,
            CASE WHEN new.state <> {PENDING} THEN 'nowhere'
                 WHEN new.order_key IS NULL THEN 'head'
                 WHEN head.id IS NULL THEN CASE WHEN new.is_first THEN 'head' ELSE 'after' END
                 WHEN locked.state = {LEASED} OR locked.due_at = 0 OR locked.due_at < new.received_at THEN 'behind'
            END AS place
        FROM new LEFT JOIN head ON head.order_key = new.order_key LEFT JOIN locked ON locked.order_key = new.order_key
    ), kept AS (
        INSERT INTO onramp.deliveries (id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
            order_key, fingerprint, state, received_at, note, noise, due_at, waits_at)
        SELECT id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
            order_key, fingerprint, state, received_at, note, noise,
            CASE place WHEN 'head' THEN 0 END, CASE place WHEN 'behind' THEN 0 END
        FROM placed WHERE place IN ('nowhere', 'head', 'behind') ORDER BY order_key, key, nth
        ON CONFLICT (key) DO NOTHING
        RETURNING id, CASE WHEN due_at IS NOT NULL THEN order_key END AS order_key
    ), followed AS (
        INSERT INTO onramp.deliveries (id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
            order_key, fingerprint, state, received_at, note, noise, waits_at)
        SELECT after.id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
            after.order_key, fingerprint, state, received_at, note, noise, 0
        FROM placed after JOIN kept ON kept.order_key = after.order_key WHERE place = 'after' ORDER BY after.order_key, key, nth
        ON CONFLICT (key) DO NOTHING
        RETURNING id
    ), inserted AS MATERIALIZED (
        SELECT id FROM kept UNION ALL SELECT id FROM followed
    ), bodies AS (
        INSERT INTO onramp.bodies (id, body) SELECT id, body FROM new JOIN inserted USING (id)
    )
    SELECT nth, id FROM new JOIN inserted USING (id)"
);

/// Records deliveries that have no key or a key that is free, and that find a place in their order at once. Returns their ids by position in
/// `deliveries`, starting at one.
pub(super) async fn record_new(
    connection: &mut PgConnection,
    schema: &Schema,
    deliveries: &[&NewDelivery],
) -> sqlx::Result<HashMap<i64, DeliveryId>> {
    let rows: Vec<_> = deliveries.iter().map(|new| Entry::of(new)).collect();
    insert(connection, schema, &rows).await
}

/// Records deliveries whose keys were taken, in their order. Returns `None` for those that were skipped.
pub(super) async fn record_known(
    connection: &mut PgConnection,
    schema: &Schema,
    deliveries: &[&NewDelivery],
    locked: Locked,
) -> sqlx::Result<Vec<Option<Recorded>>> {
    let ours = lock_holders(connection, schema, deliveries, locked).await?;
    let mut recorded = Vec::with_capacity(deliveries.len());
    for new in deliveries {
        let is_ours = new.key.as_ref().is_some_and(|key| ours.contains(column::hash_of_key(key).as_slice()));
        let is_recorded = is_ours || locked == Locked::Wait;
        recorded.push(if is_recorded { Some(record_one_known(connection, schema, new).await?) } else { None });
    }
    Ok(recorded)
}

/// Locks the deliveries that hold the keys of `deliveries`, and their conflicts. Returns the keys.
async fn lock_holders(
    connection: &mut PgConnection,
    schema: &Schema,
    deliveries: &[&NewDelivery],
    locked: Locked,
) -> sqlx::Result<HashSet<Vec<u8>>> {
    let mut rows = Rows::default();
    deliveries.iter().for_each(|new| rows.add_holders_of(new));
    lock(connection, schema, rows, locked).await
}

/// Records a delivery whose key was taken.
async fn record_one_known(connection: &mut PgConnection, schema: &Schema, new: &NewDelivery) -> sqlx::Result<Recorded> {
    for _ in 0..ATTEMPTS {
        match find_holder(connection, schema, new.key.as_ref()).await? {
            Some(holder) if holder.has_expired(new.received_at) => {
                free_key(connection, schema, holder.id, holder.order.as_deref()).await?;
            }
            Some(first) if first.is_repeated_by(new) => {
                let requeued = count_duplicate(connection, schema, new.received_at, &first).await?;
                return Ok(Recorded::Duplicate { first: first.id, requeued });
            }
            Some(first) => {
                let kept = keep_conflict(connection, schema, new, first.id).await?;
                return Ok(Recorded::Conflict { first: first.id, kept });
            }
            None => {}
        }
        if let Some(id) = insert_one(connection, schema, Entry::of(new)).await? {
            return Ok(Recorded::New(id));
        }
    }
    Err(Error::RowNotFound)
}

/// A row to insert.
struct Entry<'a> {
    new: &'a NewDelivery,
    key: Option<Cow<'a, DedupKey>>,
    state: State,
    note: Option<Cow<'a, str>>,
    is_noise: bool,
}

impl<'a> Entry<'a> {
    fn of(new: &'a NewDelivery) -> Self {
        let key = new.key.as_ref().map(Cow::Borrowed);
        match &new.quarantine {
            Some(quarantine) => {
                let note = Some(text::stored(&quarantine.reason));
                Self { new, key, state: State::Quarantined, note, is_noise: quarantine.noise }
            }
            None => Self { new, key, state: State::Pending, note: None, is_noise: false },
        }
    }

    fn conflict(new: &'a NewDelivery, key: Option<DedupKey>, first: DeliveryId) -> Self {
        let note = Some(Cow::Owned(conflict_note(first)));
        Self { new, key: key.map(Cow::Owned), state: State::Conflict, note, is_noise: false }
    }

    /// Returns the order in which the delivery waits.
    fn order(&self) -> Option<Vec<u8>> {
        let key = self.key.as_deref().filter(|_| self.state == State::Pending);
        column::hash_of_order(key, self.new.stage)
    }

    fn size_of_noise(&self) -> Option<i64> {
        self.is_noise.then(|| i64::try_from(self.new.body.len()).unwrap_or(i64::MAX))
    }
}

/// Inserts rows without a key and rows whose key is free, if they find a place in their order. Returns the ids by position in `rows`,
/// starting at one.
async fn insert(connection: &mut PgConnection, schema: &Schema, rows: &[Entry<'_>]) -> sqlx::Result<HashMap<i64, DeliveryId>> {
    macro_rules! each {
        (|$row:ident| $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let mut seen = HashSet::new();
    let is_first: Vec<_> = rows.iter().map(|row| row.order().is_none_or(|order| seen.insert(order))).collect();
    let inserted = schema
        .query(&INSERT)
        .bind(each!(|row| text::stored(&row.new.endpoint)))
        .bind(each!(|row| row.new.provider.as_str()))
        .bind(each!(|row| row.new.event_type.as_deref().map(text::stored)))
        .bind(each!(|row| row.key.as_ref().map(|key| text::stored(key.subject()))))
        .bind(each!(|row| row.key.as_ref().map(|key| text::stored(key.discriminator()))))
        .bind(each!(|row| row.key.as_deref().map(column::hash_of_key)))
        .bind(each!(|row| row.new.key_expires_at.map(Timestamp::as_millis)))
        .bind(each!(|row| row.new.stage.map(|stage| i16::from(stage.as_u8()))))
        .bind(each!(|row| column::hash_of_order(row.key.as_deref(), row.new.stage)))
        .bind(each!(|row| row.new.fingerprint.as_bytes().as_slice()))
        .bind(each!(|row| column::number(row.state)))
        .bind(each!(|row| row.new.received_at.as_millis()))
        .bind(each!(|row| row.note.as_deref()))
        .bind(each!(|row| row.size_of_noise()))
        .bind(each!(|row| row.new.body.as_ref()))
        .bind(is_first)
        .fetch_all(connection)
        .await?;
    inserted.iter().map(|row| Ok((row.try_get("nth")?, column::id(row)?))).collect()
}

/// Inserts a row, and waits for other transactions. Returns `None` if another delivery holds its key.
async fn insert_one(connection: &mut PgConnection, schema: &Schema, row: Entry<'_>) -> sqlx::Result<Option<DeliveryId>> {
    let Some(order) = row.order() else { return Ok(insert(connection, schema, &[row]).await?.remove(&1)) };
    let head = lock_head(connection, schema, &order).await?;
    let may_yield = head.is_some_and(|head| head.may_yield(row.new.received_at));
    if may_yield {
        return_head(connection, schema, &order).await?;
    }
    let inserted = insert(connection, schema, &[row]).await?.remove(&1);
    if may_yield {
        settle_head(connection, schema, &order).await?;
    }
    Ok(inserted)
}

/// A delivery that holds a key.
pub(super) struct Holder {
    pub(super) id: DeliveryId,
    /// The order of the delivery.
    pub(super) order: Option<Vec<u8>>,
    state: State,
    cause: Option<DeadCause>,
    pruned: bool,
    is_resolved: bool,
    fingerprint: Fingerprint,
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

sql!(
    FIND_HOLDER = "SELECT id, order_key, state, cause, pruned, {RESOLVED} AS resolved, fingerprint, received_at, key_expires_at
    FROM onramp.deliveries d WHERE key = $1 FOR UPDATE",
    RESOLVED = RESOLVED
);

/// Returns the delivery that holds `key`, even if its key has expired. The delivery is locked until the transaction ends.
pub(super) async fn find_holder(
    connection: &mut PgConnection,
    schema: &Schema,
    key: Option<&DedupKey>,
) -> sqlx::Result<Option<Holder>> {
    let Some(key) = key else { return Ok(None) };
    let found = schema.query(&FIND_HOLDER).bind(column::hash_of_key(key)).fetch_optional(connection).await?;
    found.as_ref().map(holder).transpose()
}

fn holder(row: &PgRow) -> sqlx::Result<Holder> {
    Ok(Holder {
        id: column::id(row)?,
        order: row.try_get("order_key")?,
        state: column::state(row)?,
        cause: column::cause(row)?,
        pruned: row.try_get("pruned")?,
        is_resolved: row.try_get("resolved")?,
        fingerprint: column::fingerprint(row)?,
        received_at: Timestamp::from_millis(row.try_get("received_at")?),
        expires_at: column::timestamp(row, "key_expires_at")?,
    })
}

const COUNT: &str = "UPDATE onramp.deliveries SET duplicates = duplicates + 1 WHERE id = $1";

/// Counts a duplicate of `first`, and returns whether that requeued it.
pub(super) async fn count_duplicate(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    first: &Holder,
) -> sqlx::Result<bool> {
    let is_used_up = first.cause == Some(DeadCause::AttemptsUsedUp) && !first.pruned && !first.is_resolved;
    let requeued = first.state == State::Retrying || is_used_up;
    schema.query(COUNT).bind(first.id.as_i64()).execute(&mut *connection).await?;
    if requeued {
        make_pending(&mut *connection, schema, first.id, first.order.as_deref()).await?;
    }
    let kinds = [HistoryKind::Duplicate, HistoryKind::Requeued];
    let kinds = if requeued { kinds.as_slice() } else { &[HistoryKind::Duplicate] };
    history::add_each(connection, schema, now, first.id, kinds).await?;
    Ok(requeued)
}

sql!(
    MAKE_PENDING = "UPDATE onramp.deliveries
    SET state = {PENDING}, attempts = 0, settled_at = NULL, cause = NULL, noise = NULL, resolved_at = NULL, resolution = NULL
    WHERE id = $1"
);

/// Makes a delivery due at once, as if it had never been settled.
pub(super) async fn make_pending(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    order: Option<&[u8]>,
) -> sqlx::Result<()> {
    leave(connection, schema, id, order).await?;
    schema.query(&MAKE_PENDING).bind(id.as_i64()).execute(&mut *connection).await?;
    enter(connection, schema, id, order).await
}

/// Records a delivery as a conflict with the one that holds its key. Repetitions of the conflict are only counted.
pub(super) async fn keep_conflict(
    connection: &mut PgConnection,
    schema: &Schema,
    new: &NewDelivery,
    first: DeliveryId,
) -> sqlx::Result<DeliveryId> {
    let key = new.key.as_ref().map(|key| key.conflicting(&new.fingerprint));
    for _ in 0..ATTEMPTS {
        if let Some(kept) = insert_one(connection, schema, Entry::conflict(new, key.clone(), first)).await? {
            return Ok(kept);
        }
        // The key of a conflict never expires. Keys that expire contain the fingerprint, so they cannot have conflicts.
        if let Some(kept) = find_holder(connection, schema, key.as_ref()).await? {
            count_duplicate(connection, schema, new.received_at, &kept).await?;
            return Ok(kept.id);
        }
    }
    Err(Error::RowNotFound)
}

const LOCK_NOISE: &str = "SELECT pg_advisory_xact_lock(hashtextextended('onramp-webhooks/noise/' || $1, 0))";
const NOISE_BEYOND: &str = "SELECT id FROM onramp.deliveries WHERE id = ANY (ARRAY (
        SELECT id FROM (SELECT id, row_number() OVER newest AS nth, sum(noise) OVER newest AS bytes
                        FROM onramp.deliveries WHERE noise IS NOT NULL WINDOW newest AS (ORDER BY id DESC)) AS noise
        WHERE nth > $1 OR bytes > $2))
    ORDER BY id FOR UPDATE SKIP LOCKED";

/// Removes the oldest noise beyond the bound, one transaction at a time. Noise that another transaction has locked is left for the next
/// one.
pub(super) async fn evict_noise(connection: &mut PgConnection, schema: &Schema, bound: QuarantineBound) -> sqlx::Result<()> {
    schema.query(LOCK_NOISE).bind(schema.name()).execute(&mut *connection).await?;
    let evicted: Vec<i64> = schema
        .scalar(NOISE_BEYOND)
        .bind(i64::from(bound.deliveries))
        .bind(i64::try_from(bound.bytes).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
    if evicted.is_empty() { Ok(()) } else { remove(connection, schema, &evicted).await }
}

const REMOVE: &str =
    "WITH removed AS (DELETE FROM onramp.bodies WHERE id = ANY ($1)) DELETE FROM onramp.deliveries WHERE id = ANY ($1)";

/// Removes deliveries and their bodies. Their ids come from a sequence and are never used again.
pub(super) async fn remove(connection: &mut PgConnection, schema: &Schema, ids: &[i64]) -> sqlx::Result<()> {
    schema.query(REMOVE).bind(ids).execute(connection).await.map(drop)
}

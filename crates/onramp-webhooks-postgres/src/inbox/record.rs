//! Keeping deliveries: new, duplicate or conflict.

use std::borrow::Cow;
use std::collections::HashMap;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::{Fingerprint, Repeat};
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeliveryId, NewDelivery, QuarantineBound, Recorded, State, conflict_note};
use sqlx::{Error, PgConnection, Row};

use crate::schema::Schema;
use crate::{column, text};

/// How often a delivery is tried whose key is taken by one that is gone when we look.
const LOOKS: usize = 5;

/// Ids are given out in the order of arrival; rows are written in the order of their keys, because two batches that each wait for a key
/// of the other would be a deadlock.
const INSERT: &str = "WITH new AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('onramp.deliveries', 'id')) AS id, arrived.*
        FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[], $8::smallint[],
                    $9::bytea[], $10::bytea[], $11::smallint[], $12::bigint[], $13::text[], $14::bigint[], $15::bytea[])
            WITH ORDINALITY AS arrived (endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
                order_key, fingerprint, state, received_at, note, junk, body, nth)
    ), kept AS (
        INSERT INTO onramp.deliveries (id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
            order_key, fingerprint, state, received_at, note, junk)
        SELECT id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage,
            order_key, fingerprint, state, received_at, note, junk
        FROM new ORDER BY key, nth
        ON CONFLICT (key) DO NOTHING
        RETURNING id
    ), bodies AS (
        INSERT INTO onramp.bodies (id, body) SELECT id, body FROM new JOIN kept USING (id)
    )
    SELECT nth, id FROM new JOIN kept USING (id)";

/// Keeps deliveries, in their order, and answers what became of each.
pub(crate) async fn record(
    connection: &mut PgConnection,
    schema: &Schema,
    deliveries: &[&NewDelivery],
    bound: QuarantineBound,
) -> sqlx::Result<Vec<Recorded>> {
    let rows: Vec<_> = deliveries.iter().map(|new| Entry::of(new)).collect();
    let mut ids = insert(connection, schema, &rows).await?;
    let mut recorded = Vec::with_capacity(deliveries.len());
    for (nth, new) in (1..).zip(deliveries) {
        recorded.push(match ids.remove(&nth) {
            Some(id) => Recorded::New(id),
            None => record_known(connection, schema, new).await?,
        });
    }
    let is_junk = |new: &&NewDelivery| new.quarantine.as_ref().is_some_and(|quarantine| quarantine.junk);
    if deliveries.iter().zip(&recorded).any(|(new, recorded)| is_junk(new) && matches!(recorded, Recorded::New(_))) {
        evict_junk(connection, schema, bound).await?;
    }
    Ok(recorded)
}

/// A delivery whose key was taken.
async fn record_known(connection: &mut PgConnection, schema: &Schema, new: &NewDelivery) -> sqlx::Result<Recorded> {
    for _ in 0..LOOKS {
        match holder(connection, schema, new.key.as_ref(), new.received_at).await? {
            Some(first) if first.is_repeated_by(connection, schema, new).await? => {
                let rearmed = count_duplicate(connection, schema, &first).await?;
                return Ok(Recorded::Duplicate { first: first.id, rearmed });
            }
            Some(first) => {
                let kept = keep_conflict(connection, schema, new, first.id).await?;
                return Ok(Recorded::Conflict { first: first.id, kept });
            }
            // The holder's time was over, and it has given the key up; or it is gone.
            None => {
                if let Some(id) = insert_one(connection, schema, Entry::of(new)).await? {
                    return Ok(Recorded::New(id));
                }
            }
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
    junk: bool,
}

impl<'a> Entry<'a> {
    fn of(new: &'a NewDelivery) -> Self {
        let key = new.key.as_ref().map(Cow::Borrowed);
        match &new.quarantine {
            Some(quarantine) => {
                let note = Some(text::kept(&quarantine.reason));
                Self { new, key, state: State::Quarantined, note, junk: quarantine.junk }
            }
            None => Self { new, key, state: State::Pending, note: None, junk: false },
        }
    }

    fn conflict(new: &'a NewDelivery, key: Option<DedupKey>, first: DeliveryId) -> Self {
        let note = Some(Cow::Owned(conflict_note(first)));
        Self { new, key: key.map(Cow::Owned), state: State::Conflict, note, junk: false }
    }

    fn size_of_junk(&self) -> Option<i64> {
        self.junk.then(|| i64::try_from(self.new.body.len()).unwrap_or(i64::MAX))
    }
}

/// Inserts what has a key that is free, or none; answers the ids by the place in `rows`, from one.
async fn insert(connection: &mut PgConnection, schema: &Schema, rows: &[Entry<'_>]) -> sqlx::Result<HashMap<i64, DeliveryId>> {
    macro_rules! each {
        (|$row:ident| $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let inserted = sqlx::query(schema.sql(INSERT))
        .bind(each!(|row| text::kept(&row.new.endpoint)))
        .bind(each!(|row| row.new.provider.as_str()))
        .bind(each!(|row| row.new.event_type.as_deref().map(text::kept)))
        .bind(each!(|row| row.key.as_ref().map(|key| text::kept(key.subject()))))
        .bind(each!(|row| row.key.as_ref().map(|key| text::kept(key.discriminator()))))
        .bind(each!(|row| row.key.as_deref().map(column::hash_of_key)))
        .bind(each!(|row| row.new.key_expires_at.map(Timestamp::as_millis)))
        .bind(each!(|row| row.new.stage.map(|stage| i16::from(stage.as_u8()))))
        .bind(each!(|row| column::hash_of_order(row.key.as_deref(), row.new.stage)))
        .bind(each!(|row| row.new.fingerprint.as_bytes().as_slice()))
        .bind(each!(|row| column::number(row.state)))
        .bind(each!(|row| row.new.received_at.as_millis()))
        .bind(each!(|row| row.note.as_deref()))
        .bind(each!(|row| row.size_of_junk()))
        .bind(each!(|row| row.new.body.as_ref()))
        .fetch_all(connection)
        .await?;
    inserted.iter().map(|row| Ok((row.try_get("nth")?, column::id(row)?))).collect()
}

/// `None` when the key is held by another delivery.
async fn insert_one(connection: &mut PgConnection, schema: &Schema, row: Entry<'_>) -> sqlx::Result<Option<DeliveryId>> {
    Ok(insert(connection, schema, &[row]).await?.remove(&1))
}

/// A delivery that holds a key. Until the transaction ends nobody else changes it.
pub(crate) struct Holder {
    pub(crate) id: DeliveryId,
    state: State,
    fingerprint: Fingerprint,
}

impl Holder {
    /// Whether `new` is a duplicate of this one. One that was really sent replaces what was not.
    pub(crate) async fn is_repeated_by(
        &self,
        connection: &mut PgConnection,
        schema: &Schema,
        new: &NewDelivery,
    ) -> sqlx::Result<bool> {
        let repeat = self.fingerprint.repeated_by(&new.fingerprint);
        if repeat == Repeat::Supersedes {
            let supersede = "WITH bodies AS (UPDATE onramp.bodies SET body = $3 WHERE id = $1)
                UPDATE onramp.deliveries SET fingerprint = $2 WHERE id = $1";
            sqlx::query(schema.sql(supersede))
                .bind(self.id.as_i64())
                .bind(new.fingerprint.as_bytes().as_slice())
                .bind(new.body.as_ref())
                .execute(connection)
                .await?;
        }
        Ok(repeat != Repeat::Conflict)
    }
}

/// The delivery that holds `key` now; one whose time is over gives the key up.
pub(crate) async fn holder(
    connection: &mut PgConnection,
    schema: &Schema,
    key: Option<&DedupKey>,
    now: Timestamp,
) -> sqlx::Result<Option<Holder>> {
    let Some(key) = key else { return Ok(None) };
    let find = "SELECT id, state, fingerprint, key_expires_at FROM onramp.deliveries WHERE key = $1 FOR UPDATE";
    let found = sqlx::query(schema.sql(find)).bind(column::hash_of_key(key)).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(None) };
    let holder = Holder { id: column::id(&row)?, state: column::state(&row)?, fingerprint: column::fingerprint(&row)? };
    if column::timestamp(&row, "key_expires_at")?.is_none_or(|expires| expires > now) {
        return Ok(Some(holder));
    }
    let give_up = "UPDATE onramp.deliveries SET subject = NULL, discriminator = NULL, key = NULL, order_key = NULL WHERE id = $1";
    sqlx::query(schema.sql(give_up)).bind(holder.id.as_i64()).execute(connection).await?;
    Ok(None)
}

/// Counts a duplicate on the first of its kind, and answers whether that was armed again.
pub(crate) async fn count_duplicate(connection: &mut PgConnection, schema: &Schema, first: &Holder) -> sqlx::Result<bool> {
    let rearmed = matches!(first.state, State::Retrying | State::Dead);
    let count = if rearmed {
        "UPDATE onramp.deliveries
         SET duplicates = duplicates + 1, state = 0, due_at = NULL, attempts = 0, settled_at = NULL WHERE id = $1"
    } else {
        "UPDATE onramp.deliveries SET duplicates = duplicates + 1 WHERE id = $1"
    };
    sqlx::query(schema.sql(count)).bind(first.id.as_i64()).execute(connection).await?;
    Ok(rearmed)
}

/// Keeps a delivery beside the one that holds its key; once, however often it comes.
pub(crate) async fn keep_conflict(
    connection: &mut PgConnection,
    schema: &Schema,
    new: &NewDelivery,
    first: DeliveryId,
) -> sqlx::Result<DeliveryId> {
    let key = new.key.as_ref().map(|key| key.conflicting(&new.fingerprint));
    for _ in 0..LOOKS {
        if let Some(kept) = insert_one(connection, schema, Entry::conflict(new, key.clone(), first)).await? {
            return Ok(kept);
        }
        // No time limit: a conflict of an event whose key counts for a while only cannot be, its fingerprint is in its key.
        if let Some(kept) = holder(connection, schema, key.as_ref(), Timestamp::from_millis(i64::MIN)).await? {
            count_duplicate(connection, schema, &kept).await?;
            return Ok(kept.id);
        }
    }
    Err(Error::RowNotFound)
}

/// Removes the oldest junk beyond the bound. Those who do so wait for each other: what one has not committed, the next does not see.
async fn evict_junk(connection: &mut PgConnection, schema: &Schema, bound: QuarantineBound) -> sqlx::Result<()> {
    let alone = "SELECT pg_advisory_xact_lock(hashtextextended('onramp-webhooks/junk/' || $1, 0))";
    sqlx::query(alone).bind(schema.name()).execute(&mut *connection).await?;
    let beyond = "SELECT id FROM (SELECT id, row_number() OVER newest AS nth, sum(junk) OVER newest AS bytes
                                  FROM onramp.deliveries WHERE junk IS NOT NULL WINDOW newest AS (ORDER BY id DESC)) AS junk
                  WHERE nth > $1 OR bytes > $2";
    let evicted: Vec<i64> = sqlx::query_scalar(schema.sql(beyond))
        .bind(i64::from(bound.deliveries))
        .bind(i64::try_from(bound.bytes).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
    if evicted.is_empty() { Ok(()) } else { remove(connection, schema, &evicted).await }
}

/// Removes deliveries and all that belongs to them. Their ids are never used again: they come from a sequence.
pub(crate) async fn remove(connection: &mut PgConnection, schema: &Schema, ids: &[i64]) -> sqlx::Result<()> {
    let remove =
        "WITH removed AS (DELETE FROM onramp.bodies WHERE id = ANY ($1)) DELETE FROM onramp.deliveries WHERE id = ANY ($1)";
    sqlx::query(schema.sql(remove)).bind(ids).execute(connection).await.map(drop)
}

//! Restoring of deliveries of another inbox.

use std::collections::HashMap;

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{DeliveryId, Record, Restored, restorable};
use sqlx::{Error, PgConnection, Row};

use super::lock::{Locked, Rows, lock};
use super::queue::{promote, return_heads};
use super::state::sql;
use crate::db::{Schema, column, text};

// Ids follow the sequence of the deliveries. Rows are written in the order of their orders and keys, as those that are recorded, because two
// transactions that wait for each other's would deadlock. One that waits in an order waits behind its head.
sql!(
    INSERT = "WITH new AS MATERIALIZED (
        SELECT nextval((SELECT pg_get_serial_sequence('onramp.deliveries', 'id')::regclass)) AS id, restored.*
        FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[], $8::smallint[], $9::bytea[],
                    $10::bytea[], $11::smallint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::smallint[], $16::bigint[],
                    $17::bigint[], $18::text[], $19::bigint[], $20::text[], $21::bytea[])
            WITH ORDINALITY AS restored (endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage, order_key,
                fingerprint, state, since, received_at, settled_at, cause, attempts, duplicates, note, resolved_at, resolution, body, nth)
    ), kept AS MATERIALIZED (
        INSERT INTO onramp.deliveries (id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage, order_key,
            fingerprint, state, due_at, waits_at, received_at, settled_at, cause, attempts, duplicates, note, resolved_at, resolution, pruned)
        SELECT id, endpoint, provider, event_type, subject, discriminator, key, key_expires_at, stage, order_key, fingerprint, state,
            CASE WHEN order_key IS NULL THEN since END, CASE WHEN order_key IS NOT NULL THEN since END,
            received_at, settled_at, cause, attempts, duplicates, note, resolved_at, resolution, body IS NULL
        FROM (SELECT new.*, row_number() OVER (PARTITION BY key ORDER BY nth) AS of_key FROM new) AS new
        WHERE key IS NULL OR of_key = 1 ORDER BY order_key, key, nth
        ON CONFLICT (key) DO NOTHING
        RETURNING id
    ), bodies AS (
        INSERT INTO onramp.bodies (id, body) SELECT id, body FROM new JOIN kept USING (id) WHERE body IS NOT NULL
    )
    SELECT nth, id FROM new JOIN kept USING (id)"
);

const HOLDERS: &str = "SELECT key, id, fingerprint FROM onramp.deliveries WHERE key = ANY ($1)";

/// Adds deliveries. The inner error is the reason why one of them cannot be restored; then nothing was written.
pub(super) async fn restore(
    connection: &mut PgConnection,
    schema: &Schema,
    deliveries: &[Record],
) -> sqlx::Result<Result<Vec<Restored>, StoreError>> {
    let records = match deliveries.iter().cloned().map(restorable).collect::<Result<Vec<_>, _>>() {
        Ok(records) => records,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut orders: Vec<_> = records.iter().filter(|record| record.state.waits()).filter_map(order).collect();
    orders.sort_unstable();
    orders.dedup();
    let rows = Rows { orders: orders.clone(), ..Rows::default() };
    lock(&mut *connection, schema, rows, Locked::Wait).await?;
    return_heads(connection, schema, &orders).await?;
    let inserted = insert(connection, schema, &records).await?;
    promote(connection, schema, &orders).await?;
    let mut beside = holders(connection, schema, &records, &inserted).await?;
    let restored = (1..).zip(&records).map(|(nth, record)| match inserted.get(&nth) {
        Some(id) => Ok(Restored::New(*id)),
        None => beside.remove(&nth).ok_or(Error::RowNotFound).map(|(id, fingerprint)| Restored::beside(record, id, &fingerprint)),
    });
    restored.collect::<sqlx::Result<_>>().map(Ok)
}

fn order(record: &Record) -> Option<Vec<u8>> {
    column::hash_of_order(record.key.as_ref(), record.stage)
}

/// Inserts rows whose keys are free; of several with one key, the first. Returns the ids by position in `records`, starting at one.
async fn insert(connection: &mut PgConnection, schema: &Schema, records: &[Record]) -> sqlx::Result<HashMap<i64, DeliveryId>> {
    macro_rules! each {
        (|$row:ident| $value:expr) => {
            records.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let since = |record: &Record| record.state.waits().then(|| record.due_at.map_or(0, Timestamp::as_millis));
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    let inserted = schema
        .query(&INSERT)
        .bind(each!(|row| text::stored(&row.endpoint)))
        .bind(each!(|row| row.provider.as_str()))
        .bind(each!(|row| row.event_type.as_deref().map(text::stored)))
        .bind(each!(|row| row.key.as_ref().map(|key| text::stored(key.subject()))))
        .bind(each!(|row| row.key.as_ref().map(|key| text::stored(key.discriminator()))))
        .bind(each!(|row| row.key.as_ref().map(column::hash_of_key)))
        .bind(each!(|row| millis(row.key_expires_at)))
        .bind(each!(|row| row.stage.map(OrderStage::as_u8).map(i16::from)))
        .bind(each!(|row| order(row)))
        .bind(each!(|row| row.fingerprint.as_bytes().as_slice()))
        .bind(each!(|row| column::number(row.state)))
        .bind(each!(|row| since(row)))
        .bind(each!(|row| row.received_at.as_millis()))
        .bind(each!(|row| millis(row.settled_at)))
        .bind(each!(|row| row.cause.map(|cause| i16::from(cause.as_u8()))))
        .bind(each!(|row| i64::from(row.attempts)))
        .bind(each!(|row| i64::try_from(row.duplicates).unwrap_or(i64::MAX)))
        .bind(each!(|row| row.note.as_deref().map(text::stored)))
        .bind(each!(|row| millis(row.resolved_at)))
        .bind(each!(|row| row.resolution.as_deref().map(text::stored)))
        .bind(each!(|row| row.body.as_deref()))
        .fetch_all(connection)
        .await?;
    inserted.iter().map(|row| Ok((row.try_get("nth")?, column::id(row)?))).collect()
}

/// Returns the deliveries that hold the keys of those that were not inserted, by position in `records`, starting at one.
async fn holders(
    connection: &mut PgConnection,
    schema: &Schema,
    records: &[Record],
    inserted: &HashMap<i64, DeliveryId>,
) -> sqlx::Result<HashMap<i64, (DeliveryId, Fingerprint)>> {
    let left = (1..).zip(records).filter(|(nth, _)| !inserted.contains_key(nth));
    let keys: Vec<_> = left.filter_map(|(nth, record)| Some((nth, record.key.as_ref().map(column::hash_of_key)?))).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<_> = keys.iter().map(|(_, key)| key.as_slice()).collect();
    let rows = schema.query(HOLDERS).bind(wanted).fetch_all(connection).await?;
    let found = rows.iter().map(|row| Ok((row.try_get::<Vec<u8>, _>("key")?, (column::id(row)?, column::fingerprint(row)?))));
    let found = found.collect::<sqlx::Result<HashMap<_, _>>>()?;
    Ok(keys.into_iter().filter_map(|(nth, key)| Some((nth, *found.get(&key)?))).collect())
}

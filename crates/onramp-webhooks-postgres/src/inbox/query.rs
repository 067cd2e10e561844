//! Queries for operators: lists, single deliveries, counts.

use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{Counts, DeliveryId, Filter, Record, State};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::state::{LEASED, PENDING, sql};
use crate::db::{Schema, column, text};

sql!(
    COLUMNS = "d.id, d.endpoint, d.provider, d.event_type, d.subject, d.discriminator, d.stage, d.fingerprint, d.state,
    d.received_at,
    CASE d.state WHEN {LEASED} THEN d.lease_until WHEN {PENDING} THEN NULL ELSE coalesce(d.due_at, d.waits_at) END AS due_at,
    d.settled_at, d.attempts, d.duplicates, d.note, d.cause"
);

/// The conditions of a filter. A subject is endpoint/kind/id, and neither endpoint nor kind contains a slash.
const MATCHES: &str = "($1::smallint[] IS NULL OR d.state = ANY ($1) OR ($8 AND d.state > $9))
    AND ($2::text IS NULL OR d.endpoint = $2)
    AND ($3::text IS NULL OR d.event_type = $3)
    AND ($4::text[] IS NULL OR (d.subject LIKE '%/%/%'
        AND substr(d.subject, length(split_part(d.subject, '/', 1)) + length(split_part(d.subject, '/', 2)) + 3) = ANY ($4)))
    AND ($5::bigint IS NULL OR d.id < $5)";

/// The condition on a key. It is separate, because a condition with an alternative does not use its index.
const KEY: &str = "d.key = $7";
const NO_KEY: &str = "$7::bytea IS NULL";

/// Returns the deliveries that match `filter`, newest first, without bodies.
pub(super) async fn list(connection: &mut PgConnection, schema: &Schema, filter: &Filter) -> sqlx::Result<Vec<Record>> {
    let states: Vec<i16> = filter.states.iter().map(|state| column::number(*state)).collect();
    let about = filter.about.as_deref().map(DedupKey::stored_ids);
    let key = if filter.key.is_some() { KEY } else { NO_KEY };
    let page = format!(
        "SELECT {}, NULL::bytea AS body FROM onramp.deliveries d WHERE {MATCHES} AND {key} ORDER BY d.id DESC LIMIT $6",
        *COLUMNS
    );
    let rows = schema
        .query(&page)
        .bind(Some(states).filter(|states| !states.is_empty()))
        .bind(filter.endpoint.as_deref().map(text::stored))
        .bind(filter.event_type.as_deref().map(text::stored))
        .bind(about.as_ref().map(|ids| ids.each_ref().map(|id| text::stored(id))))
        .bind(filter.before.map(DeliveryId::as_i64))
        .bind(i64::try_from(filter.page_size()).unwrap_or(i64::MAX))
        .bind(filter.key.as_ref().map(column::hash_of_key))
        .bind(filter.states.contains(&State::Unknown))
        .bind(column::number(State::Conflict))
        .fetch_all(connection)
        .await?;
    rows.iter().map(record).collect()
}

/// Returns one delivery with its body.
pub(super) async fn show(connection: &mut PgConnection, schema: &Schema, id: DeliveryId) -> sqlx::Result<Option<Record>> {
    let one =
        format!("SELECT {}, b.body FROM onramp.deliveries d LEFT JOIN onramp.bodies b ON b.id = d.id WHERE d.id = $1", *COLUMNS);
    let row = schema.query(&one).bind(id.as_i64()).fetch_optional(connection).await?;
    row.as_ref().map(record).transpose()
}

fn record(row: &PgRow) -> sqlx::Result<Record> {
    Ok(Record {
        id: column::id(row)?,
        endpoint: Arc::from(column::text(row, "endpoint")?.unwrap_or_default()),
        provider: column::provider(row)?,
        event_type: column::text(row, "event_type")?,
        key: column::key(row)?,
        stage: column::stage(row)?,
        fingerprint: column::fingerprint(row)?,
        state: column::state(row)?,
        received_at: Timestamp::from_millis(row.try_get("received_at")?),
        due_at: column::timestamp(row, "due_at")?,
        settled_at: column::timestamp(row, "settled_at")?,
        cause: column::cause(row)?,
        attempts: column::attempts(row)?,
        duplicates: column::count(row, "duplicates")?,
        note: column::text(row, "note")?,
        body: row.try_get::<Option<Vec<u8>>, _>("body")?.map(Bytes::from),
    })
}

/// Returns the number of deliveries in each state.
pub(super) async fn counts(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Counts> {
    let count = "SELECT state, count(*) AS deliveries FROM onramp.deliveries GROUP BY state";
    let rows = schema.query(count).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((column::state(row)?, column::count(row, "deliveries")?))).collect()
}

//! Queries for operators: lists, single deliveries, counts.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Counts, DeliveryId, Filter, Page, Record};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::filter::{MATCHES, Values, candidates};
use super::state::{CONFLICT, DEAD, LEASED, OPEN, PENDING, QUARANTINED, RESOLVED, sql};
use crate::db::{Schema, column};

sql!(
    COLUMNS = "d.id, d.endpoint, d.provider, d.event_type, d.subject, d.discriminator, d.stage, d.fingerprint, d.state,
    d.received_at,
    CASE d.state WHEN {LEASED} THEN d.lease_until WHEN {PENDING} THEN NULL ELSE coalesce(d.due_at, d.waits_at) END AS due_at,
    d.settled_at, d.attempts, d.duplicates, d.note, d.cause,
    CASE WHEN {RESOLVED} THEN d.resolved_at END AS resolved_at, CASE WHEN {RESOLVED} THEN d.resolution END AS resolution,
    d.key_expires_at",
    RESOLVED = RESOLVED
);

/// The deliveries that are looked at: a range of ids in a sequence, and no more than `$3`.
const WALK: &str = "(SELECT * FROM onramp.deliveries WHERE id > $1 AND id < $2 ORDER BY id {sequence} LIMIT $3)";

/// The deliveries that an index has found, `$3`.
const FOUND: &str = "(SELECT * FROM onramp.deliveries WHERE id > $1 AND id < $2 AND id = ANY ($3))";

/// Returns a page of the deliveries that match `filter`. The transaction must see one state of the table.
pub(super) async fn list(connection: &mut PgConnection, schema: &Schema, filter: &Filter) -> sqlx::Result<Page> {
    let found = candidates(&mut *connection, schema, filter).await?;
    let sequence = if filter.oldest_first { "ASC" } else { "DESC" };
    let from = if found.is_some() { FOUND } else { WALK }.replace("{sequence}", sequence);
    let page =
        format!("SELECT {}, NULL::bytea AS body FROM {from} d WHERE {} ORDER BY d.id {sequence} LIMIT $4", *COLUMNS, *MATCHES);
    let (after, before) = range(filter);
    let query = schema.query(&page).bind(after).bind(before);
    let query = match &found {
        Some(ids) => query.bind(ids.as_slice()),
        None => query.bind(number(filter.most_searched())),
    };
    let query = Values::of(filter).bind(query.bind(number(filter.page_size())));
    let rows = query.fetch_all(&mut *connection).await?;
    let mut records = rows.iter().map(record).collect::<sqlx::Result<Vec<_>>>()?;
    let end = match records.last() {
        Some(last) if records.len() >= filter.page_size() => Some((last.id, last.received_at)),
        _ if found.is_some() => None,
        _ => end(&mut *connection, schema, filter).await?,
    };
    // Text with escapes may contain what the text itself does not.
    records.retain(|record| filter.accepts(record));
    let cut = if filter.bodies { add_bodies(connection, schema, filter, &mut records).await? } else { None };
    Ok(Page::new(filter, records, cut.or(end)))
}

const SIZES: &str = "SELECT id, octet_length(body) AS size FROM onramp.bodies WHERE id = ANY ($1)";
const BODIES: &str = "SELECT id, body FROM onramp.bodies WHERE id = ANY ($1)";

/// Reads the bodies of `records`, and leaves out those that do not fit on a page. Returns the last one if others were left out.
async fn add_bodies(
    connection: &mut PgConnection,
    schema: &Schema,
    filter: &Filter,
    records: &mut Vec<Record>,
) -> sqlx::Result<Option<(DeliveryId, Timestamp)>> {
    let ids = |records: &[Record]| records.iter().map(|record| record.id.as_i64()).collect::<Vec<_>>();
    let rows = schema.query(SIZES).bind(ids(records)).fetch_all(&mut *connection).await?;
    let sizes = rows.iter().map(|row| Ok((column::id(row)?, row.try_get::<i32, _>("size")?)));
    let sizes = sizes.collect::<sqlx::Result<HashMap<_, _>>>()?;
    let (mut bytes, all) = (0, records.len());
    let fits = records.iter().take_while(|record| {
        let fits = !filter.is_full_of(bytes);
        bytes += sizes.get(&record.id).map_or(0, |size| usize::try_from(*size).unwrap_or(0));
        fits
    });
    let fitting = fits.count();
    records.truncate(fitting);
    let rows = schema.query(BODIES).bind(ids(records)).fetch_all(connection).await?;
    let bodies = rows.iter().map(|row| Ok((column::id(row)?, row.try_get::<Vec<u8>, _>("body")?)));
    let mut bodies = bodies.collect::<sqlx::Result<HashMap<_, _>>>()?;
    records.iter_mut().for_each(|record| record.body = bodies.remove(&record.id).map(Bytes::from));
    Ok(records.last().filter(|_| fitting < all).map(|last| (last.id, last.received_at)))
}

/// Returns the last delivery that was looked at, if that is as many as one page may.
async fn end(connection: &mut PgConnection, schema: &Schema, filter: &Filter) -> sqlx::Result<Option<(DeliveryId, Timestamp)>> {
    let sequence = if filter.oldest_first { "ASC" } else { "DESC" };
    let end = format!(
        "SELECT id, received_at FROM onramp.deliveries WHERE id > $1 AND id < $2 ORDER BY id {sequence} OFFSET $3 LIMIT 1"
    );
    let (after, before) = range(filter);
    let end = schema.query(&end).bind(after).bind(before).bind(number(filter.most_searched()) - 1);
    let row = end.fetch_optional(connection).await?;
    row.map(|row| Ok((column::id(&row)?, Timestamp::from_millis(row.try_get("received_at")?)))).transpose()
}

fn range(filter: &Filter) -> (i64, i64) {
    (filter.after.map_or(i64::MIN, DeliveryId::as_i64), filter.before.map_or(i64::MAX, DeliveryId::as_i64))
}

fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
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
        key_expires_at: column::timestamp(row, "key_expires_at")?,
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
        resolved_at: column::timestamp(row, "resolved_at")?,
        resolution: column::text(row, "resolution")?,
        body: row.try_get::<Option<Vec<u8>>, _>("body")?.map(Bytes::from),
    })
}

/// Returns the number of deliveries in each state.
pub(super) async fn counts(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Counts> {
    count(connection, schema, "SELECT state, count(*) AS deliveries FROM onramp.deliveries GROUP BY state").await
}

// Heads have positive ids, see the schema.
sql!(
    OPEN_COUNTS = "SELECT state, count(*) AS deliveries FROM (
        SELECT state FROM onramp.deliveries WHERE due_at IS NOT NULL AND id > 0
        UNION ALL
        SELECT state FROM onramp.deliveries WHERE waits_at IS NOT NULL
        UNION ALL
        SELECT state FROM onramp.deliveries WHERE {OPEN} AND (state IN ({DEAD}, {QUARANTINED}) OR state >= {CONFLICT})
    ) AS open GROUP BY state",
    OPEN = OPEN
);

/// Returns the number of open deliveries in each state. Reads the indexes of what waits and of what is unresolved.
pub(super) async fn open_counts(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Counts> {
    count(connection, schema, &OPEN_COUNTS).await
}

async fn count(connection: &mut PgConnection, schema: &Schema, statement: &str) -> sqlx::Result<Counts> {
    let rows = schema.query(statement).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((column::state(row)?, column::count(row, "deliveries")?))).collect()
}

//! Queries for operators: lists, single deliveries, counts.

use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{Counts, DeadCause, DeliveryId, Filter, Page, Record, State};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::filter::{Conditions, candidates};
use super::state::{CONFLICT, DEAD, LEASED, OPEN, PENDING, QUARANTINED, REMOVED, RESOLVED, sql};
use crate::db::column;

sql!(
    COLUMNS = "d.id, d.endpoint, d.provider, d.event_type, d.subject, d.discriminator, d.stage, d.fingerprint, d.state,
    d.received_at,
    CASE d.state WHEN {LEASED} THEN d.lease_until WHEN {PENDING} THEN NULL ELSE coalesce(d.due_at, d.waits_at) END,
    d.settled_at, d.attempts, d.duplicates, d.note, d.cause,
    CASE WHEN {RESOLVED} THEN d.resolved_at END, CASE WHEN {RESOLVED} THEN d.resolution END,
    d.key_expires_at",
    RESOLVED = RESOLVED
);

/// Returns a page of the deliveries that match `filter`.
pub(crate) fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    match candidates(connection, filter)? {
        Some(ids) => among(connection, filter, ids),
        None => walk(connection, filter),
    }
}

/// Returns a page of the deliveries with these ids, which an index has found.
fn among(connection: &Connection, filter: &Filter, mut ids: Vec<i64>) -> rusqlite::Result<Page> {
    ids.retain(|id| filter.is_in_range(DeliveryId::from_i64(*id)));
    ids.sort_unstable();
    ids.dedup();
    if !filter.oldest_first {
        ids.reverse();
    }
    let conditions = Conditions::of(filter);
    let mut one = Lookup::new(connection, filter, &conditions)?;
    let (mut records, mut bytes, mut last) = (Vec::new(), 0, None);
    for id in ids {
        if records.len() >= filter.page_size() || filter.is_full_of(bytes) {
            return Ok(Page::new(filter, records, last));
        }
        if let Some(record) = one.find(id)? {
            bytes += size(&record);
            last = Some((record.id, record.received_at));
            records.push(record);
        }
    }
    Ok(Page::new(filter, records, None))
}

/// Returns a page of the deliveries that match, and looks at one after another. The condition is a column, so that the cursor is known when
/// the search has to stop.
fn walk(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let conditions = Conditions::of(filter);
    let sequence = if filter.oldest_first { "ASC" } else { "DESC" };
    let mut values = conditions.values.clone();
    values.extend(
        [filter.after.map_or(i64::MIN, DeliveryId::as_i64), filter.before.map_or(i64::MAX, DeliveryId::as_i64)].map(Value::from),
    );
    let mut walk = connection.prepare(&format!(
        "SELECT d.id, d.received_at, {} FROM onramp_deliveries d WHERE d.id > ? AND d.id < ? ORDER BY d.id {sequence}",
        conditions.sql
    ))?;
    let mut rows = walk.query(params_from_iter(values))?;
    let mut one = Lookup::new(connection, filter, &conditions)?;
    let (mut records, mut searched, mut bytes, mut last) = (Vec::new(), 0, 0, None);
    while let Some(row) = rows.next()? {
        if records.len() >= filter.page_size() || searched >= filter.most_searched() || filter.is_full_of(bytes) {
            return Ok(Page::new(filter, records, last));
        }
        if row.get::<_, Option<bool>>(2)? == Some(true) {
            let record = one.find(row.get(0)?)?;
            bytes += record.as_ref().map_or(0, size);
            records.extend(record);
        }
        last = Some((DeliveryId::from_i64(row.get(0)?), column::timestamp(row, 1)?));
        searched += 1;
    }
    Ok(Page::new(filter, records, None))
}

/// A statement that reads one delivery if it meets conditions.
struct Lookup<'a> {
    statement: rusqlite::Statement<'a>,
    conditions: &'a Conditions,
}

impl<'a> Lookup<'a> {
    fn new(connection: &'a Connection, filter: &Filter, conditions: &'a Conditions) -> rusqlite::Result<Self> {
        let (body, bodies) = match filter.bodies {
            true => ("b.body", "LEFT JOIN onramp_bodies b ON b.id = d.id"),
            false => ("NULL", ""),
        };
        let one = format!("SELECT {}, {body} FROM onramp_deliveries d {bodies} WHERE {} AND d.id = ?", *COLUMNS, conditions.sql);
        Ok(Self { statement: connection.prepare(&one)?, conditions })
    }

    fn find(&mut self, id: i64) -> rusqlite::Result<Option<Record>> {
        let values = self.conditions.values.iter().cloned().chain([Value::from(id)]);
        self.statement.query_row(params_from_iter(values), record).optional()
    }
}

/// Returns the size of a body.
fn size(record: &Record) -> usize {
    record.body.as_ref().map_or(0, Bytes::len)
}

/// Returns one delivery with its body.
pub(crate) fn show(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached(&format!(
            "SELECT {}, b.body FROM onramp_deliveries d LEFT JOIN onramp_bodies b ON b.id = d.id
             WHERE d.id = ? AND d.state <> {REMOVED}",
            *COLUMNS
        ))?
        .query_row([id.as_i64()], record)
        .optional()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let due_at: Option<i64> = row.get(10)?;
    Ok(Record {
        id: DeliveryId::from_i64(row.get(0)?),
        endpoint: Arc::from(row.get::<_, String>(1)?),
        provider: column::provider(row, 2)?,
        event_type: row.get(3)?,
        key: column::key(row, 4)?,
        stage: row.get::<_, Option<u8>>(6)?.map(OrderStage::from_u8),
        fingerprint: Fingerprint::from_bytes(row.get(7)?),
        state: state(row, 8)?,
        received_at: column::timestamp(row, 9)?,
        due_at: due_at.map(Timestamp::from_millis),
        settled_at: row.get::<_, Option<i64>>(11)?.map(Timestamp::from_millis),
        cause: row.get::<_, Option<u8>>(15)?.and_then(DeadCause::from_u8),
        attempts: row.get(12)?,
        duplicates: column::count(row, 13)?,
        note: row.get(14)?,
        resolved_at: row.get::<_, Option<i64>>(16)?.map(Timestamp::from_millis),
        resolution: row.get(17)?,
        key_expires_at: row.get::<_, Option<i64>>(18)?.map(Timestamp::from_millis),
        body: row.get::<_, Option<Vec<u8>>>(19)?.map(Bytes::from),
    })
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let number: i64 = row.get(column)?;
    Ok(u8::try_from(number).map_or(State::Unknown, State::from_u8))
}

/// Returns the number of deliveries in each state.
pub(crate) fn counts(connection: &Connection) -> rusqlite::Result<Counts> {
    count(connection, &format!("SELECT state, count(*) FROM onramp_deliveries WHERE state <> {REMOVED} GROUP BY state"))
}

sql!(
    OPEN_COUNTS = "SELECT state, count(*) FROM onramp_deliveries INDEXED BY onramp_deliveries_due WHERE due_at IS NOT NULL GROUP BY state
     UNION ALL
     SELECT state, count(*) FROM onramp_deliveries INDEXED BY onramp_deliveries_behind WHERE waits_at IS NOT NULL GROUP BY state
     UNION ALL
     SELECT state, count(*) FROM onramp_deliveries INDEXED BY onramp_deliveries_open
     WHERE {OPEN} AND (state IN ({DEAD}, {QUARANTINED}, {CONFLICT}) OR (state > {CONFLICT} AND state <> {REMOVED})) GROUP BY state",
    OPEN = OPEN
);

/// Returns the number of open deliveries in each state. Reads the indexes of what waits and of what is unresolved.
pub(crate) fn open_counts(connection: &Connection) -> rusqlite::Result<Counts> {
    count(connection, &OPEN_COUNTS)
}

fn count(connection: &Connection, statement: &str) -> rusqlite::Result<Counts> {
    connection.prepare_cached(statement)?.query_map([], |row| Ok((state(row, 0)?, column::count(row, 1)?)))?.collect()
}

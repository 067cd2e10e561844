//! Queries for operators: lists, single deliveries, counts.

use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{Counts, DeadCause, DeliveryId, Filter, Record, State};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::state::{CONFLICT, LEASED, PENDING, REMOVED, sql};
use crate::db::column;

sql!(
    COLUMNS = "d.id, d.endpoint, d.provider, d.event_type, d.subject, d.discriminator, d.stage, d.fingerprint, d.state,
    d.received_at,
    CASE d.state WHEN {LEASED} THEN d.lease_until WHEN {PENDING} THEN NULL ELSE coalesce(d.due_at, d.waits_at) END,
    d.settled_at, d.attempts, d.duplicates, d.note, d.cause"
);

/// Returns the deliveries that match `filter`, newest first, without bodies.
pub(super) fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Record>> {
    let (condition, mut values) = conditions(filter);
    values.push(Value::from(column::bound(filter.page_size())));
    connection
        .prepare(&format!("SELECT {}, NULL FROM onramp_deliveries d WHERE {condition} ORDER BY d.id DESC LIMIT ?", *COLUMNS))?
        .query_map(params_from_iter(values), record)?
        .collect()
}

/// The condition that a subject is about an identifier. A subject is endpoint/kind/id, and neither endpoint nor kind contains a slash.
const ABOUT: &str = "substr(d.subject, -length(?) - 1) = '/' || ?
    AND length(d.subject) - length(replace(d.subject, '/', '')) = 2 + length(?) - length(replace(?, '/', ''))";

fn conditions(filter: &Filter) -> (String, Vec<Value>) {
    let mut conditions = vec![format!("d.state <> {REMOVED}")];
    let mut values = Vec::new();
    if !filter.states.is_empty() {
        let later = if filter.states.contains(&State::Unknown) { format!(" OR d.state > {CONFLICT}") } else { String::new() };
        conditions.push(format!("(d.state IN ({}){later})", vec!["?"; filter.states.len()].join(", ")));
        values.extend(filter.states.iter().map(|state| Value::from(i64::from(state.as_u8()))));
    }
    let equal = [("d.endpoint", &filter.endpoint), ("d.event_type", &filter.event_type)];
    for (column, wanted) in equal.into_iter().filter_map(|(column, wanted)| wanted.clone().map(|wanted| (column, wanted))) {
        conditions.push(format!("{column} = ?"));
        values.push(Value::from(wanted));
    }
    if let Some(id) = &filter.about {
        conditions.push(format!("({ABOUT} OR {ABOUT})"));
        values.extend(DedupKey::stored_ids(id).into_iter().flat_map(|id| std::iter::repeat_n(Value::from(id), 4)));
    }
    if let Some(key) = &filter.key {
        conditions.push("d.subject = ? AND d.discriminator = ?".to_owned());
        values.extend([key.subject(), key.discriminator()].map(|half| Value::from(half.to_owned())));
    }
    if let Some(before) = filter.before {
        conditions.push("d.id < ?".to_owned());
        values.push(Value::from(before.as_i64()));
    }
    (conditions.join(" AND "), values)
}

/// Returns one delivery with its body.
pub(super) fn show(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Record>> {
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
        body: row.get::<_, Option<Vec<u8>>>(16)?.map(Bytes::from),
    })
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let number: i64 = row.get(column)?;
    Ok(u8::try_from(number).map_or(State::Unknown, State::from_u8))
}

/// Returns the number of deliveries in each state.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Counts> {
    connection
        .prepare_cached(&format!("SELECT state, count(*) FROM onramp_deliveries WHERE state <> {REMOVED} GROUP BY state"))?
        .query_map([], |row| Ok((state(row, 0)?, column::count(row, 1)?)))?
        .collect()
}

//! Restoring of deliveries of another inbox.

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Record, Restored, State, restorable};
use rusqlite::{Connection, params};

use super::queue::join;
use super::record::{find_holder, share};
use crate::db::Batch;

const INSERT: &str = "INSERT INTO onramp_deliveries
        (endpoint, provider, event_type, subject, discriminator, key_expires_at, stage, fingerprint, state, due_at, waits_at, received_at,
         settled_at, cause, handled_stage, attempts, duplicates, note, resolved_at, resolution)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (subject, discriminator) DO NOTHING";

/// Adds deliveries. The inner error is the reason why one of them cannot be restored; then nothing was written.
pub(super) fn restore(batch: &mut Batch<'_>, deliveries: &[Record]) -> rusqlite::Result<Result<Vec<Restored>, StoreError>> {
    let deliveries = match deliveries.iter().cloned().map(restorable).collect::<Result<Vec<_>, _>>() {
        Ok(deliveries) => deliveries,
        Err(refused) => return Ok(Err(refused)),
    };
    deliveries.iter().map(|record| restore_one(batch, record)).collect::<rusqlite::Result<_>>().map(Ok)
}

fn restore_one(batch: &mut Batch<'_>, record: &Record) -> rusqlite::Result<Restored> {
    share(batch, record.key.as_ref())?;
    let connection = batch.connection;
    if insert(connection, record)? == 0 {
        let holder = find_holder(connection, record.key.as_ref())?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        return Ok(Restored::beside(record, holder.id, &holder.fingerprint));
    }
    let id = connection.last_insert_rowid();
    if let Some(body) = &record.body {
        batch.insert_body()?.execute(params![id, body.as_ref()])?;
    }
    if let Some(order) = order(record).filter(|_| record.state.waits()) {
        join(connection, order)?;
    }
    Ok(Restored::New(DeliveryId::from_i64(id)))
}

/// Inserts a row. One that waits in an order waits behind its head.
fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<usize> {
    let waits_at = record.state.waits().then(|| record.due_at.map_or(0, Timestamp::as_millis));
    let (due_at, waits_at) = if order(record).is_some() { (None, waits_at) } else { (waits_at, None) };
    let stage = record.stage.map(OrderStage::as_u8);
    connection.prepare_cached(INSERT)?.execute(params![
        &*record.endpoint,
        record.provider.as_str(),
        record.event_type,
        record.key.as_ref().map(DedupKey::subject),
        record.key.as_ref().map(DedupKey::discriminator),
        record.key_expires_at.map(Timestamp::as_millis),
        stage,
        record.fingerprint.as_bytes().as_slice(),
        record.state.as_u8(),
        due_at,
        waits_at,
        record.received_at.as_millis(),
        record.settled_at.map(Timestamp::as_millis),
        record.cause.map(DeadCause::as_u8),
        stage.filter(|_| record.state == State::Handled),
        record.attempts,
        i64::try_from(record.duplicates).unwrap_or(i64::MAX),
        record.note,
        record.resolved_at.map(Timestamp::as_millis),
        record.resolution,
    ])
}

/// Returns the order to which a delivery belongs.
fn order(record: &Record) -> Option<&str> {
    record.stage.and(record.key.as_ref()).map(DedupKey::subject)
}

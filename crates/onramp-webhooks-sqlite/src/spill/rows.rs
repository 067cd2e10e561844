//! Statements on the rows of spilled deliveries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{NewDelivery, Quarantine};
use onramp_webhooks::spill::{SpillCounts, SpillId};
use rusqlite::{Connection, Row, params};

use crate::db::column;

const APPEND: &str =
    "INSERT INTO onramp_spill (endpoint, provider, event_type, subject, discriminator, key_expires_at, stage, fingerprint,
        received_at, quarantine, noise, body, duplicate_within)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Appends a delivery.
pub(super) fn append(connection: &Connection, new: &NewDelivery) -> rusqlite::Result<SpillId> {
    connection.prepare_cached(APPEND)?.execute(params![
        &*new.endpoint,
        new.provider.as_str(),
        new.event_type,
        new.key.as_ref().map(DedupKey::subject),
        new.key.as_ref().map(DedupKey::discriminator),
        new.key_expires_at.map(Timestamp::as_millis),
        new.stage.map(OrderStage::as_u8),
        new.fingerprint.as_bytes().as_slice(),
        new.received_at.as_millis(),
        new.quarantine.as_ref().map(|quarantine| quarantine.reason.as_str()),
        new.quarantine.as_ref().is_some_and(|quarantine| quarantine.noise),
        new.body.as_ref(),
        new.duplicate_within.map(|limit| column::bound(limit.as_millis())),
    ])?;
    Ok(SpillId::from_i64(connection.last_insert_rowid()))
}

const OLDEST: &str =
    "SELECT id, endpoint, provider, event_type, subject, discriminator, key_expires_at, stage, fingerprint, received_at,
        quarantine, noise, body, duplicate_within
     FROM onramp_spill ORDER BY id LIMIT ?";

/// Returns the oldest deliveries, up to a number of deliveries and of bytes in their bodies, and at least one.
pub(super) fn oldest(connection: &Connection, limit: usize, bytes: usize) -> rusqlite::Result<Vec<(SpillId, NewDelivery)>> {
    let mut statement = connection.prepare_cached(OLDEST)?;
    let (mut oldest, mut read) = (Vec::new(), 0);
    for row in statement.query_map([column::bound(limit)], delivery)? {
        let (id, new) = row?;
        read += new.body.len();
        if read > bytes && !oldest.is_empty() {
            break;
        }
        oldest.push((id, new));
    }
    Ok(oldest)
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<(SpillId, NewDelivery)> {
    let (endpoint, body): (Arc<str>, Vec<u8>) = (row.get(1)?, row.get(12)?);
    let mut new = NewDelivery::new(endpoint, column::provider(row, 2)?, column::timestamp(row, 9)?, Bytes::from(body));
    new.event_type = row.get(3)?;
    new.key = column::key(row, 4)?;
    new.key_expires_at = row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis);
    let limit = row.get::<_, Option<i64>>(13)?.map(i64::unsigned_abs);
    new.duplicate_within = limit.map(Duration::from_millis);
    new.stage = row.get::<_, Option<u8>>(7)?.map(OrderStage::from_u8);
    new.fingerprint = Fingerprint::from_bytes(row.get(8)?);
    let quarantine = if row.get(11)? { Quarantine::noise } else { Quarantine::unreadable };
    new.quarantine = row.get::<_, Option<String>>(10)?.map(quarantine);
    Ok((SpillId::from_i64(row.get(0)?), new))
}

/// Removes deliveries.
pub(super) fn remove(connection: &Connection, ids: &[SpillId]) -> rusqlite::Result<()> {
    let mut remove = connection.prepare_cached("DELETE FROM onramp_spill WHERE id = ?")?;
    ids.iter().try_for_each(|id| remove.execute([id.as_i64()]).map(drop))
}

const COUNTS: &str = "SELECT count(*), max(id), (SELECT received_at FROM onramp_spill ORDER BY id LIMIT 1) FROM onramp_spill";

/// Counts the deliveries.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<SpillCounts> {
    connection.prepare_cached(COUNTS)?.query_row([], |row| {
        let newest = row.get::<_, Option<i64>>(1)?.map(SpillId::from_i64);
        let oldest = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis);
        Ok(SpillCounts { waiting: column::count(row, 0)?, oldest, newest })
    })
}

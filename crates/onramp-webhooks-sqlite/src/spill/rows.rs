//! Deliveries as rows, and back.

use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, Stage};
use onramp_webhooks::inbox::spill::{SetAside, SpillCounts, SpillId};
use onramp_webhooks::inbox::{NewDelivery, Quarantine};
use rusqlite::{Connection, Row, params};

use crate::column;

pub(super) fn append(connection: &Connection, new: &NewDelivery) -> rusqlite::Result<SpillId> {
    connection
        .prepare_cached(
            "INSERT INTO onramp_spill (endpoint, provider, event_type, subject, discriminator, key_expires_at, stage, fingerprint,
                received_at, quarantine, junk, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            &*new.endpoint,
            new.provider.as_str(),
            new.event_type,
            new.key.as_ref().map(DedupKey::subject),
            new.key.as_ref().map(DedupKey::discriminator),
            new.key_expires_at.map(Timestamp::as_millis),
            new.stage.map(Stage::as_u8),
            new.fingerprint.as_bytes().as_slice(),
            new.received_at.as_millis(),
            new.quarantine.as_ref().map(|quarantine| quarantine.reason.as_str()),
            new.quarantine.as_ref().is_some_and(|quarantine| quarantine.junk),
            new.body.as_ref(),
        ])?;
    Ok(SpillId::from_i64(connection.last_insert_rowid()))
}

const COLUMNS: &str =
    "id, endpoint, provider, event_type, subject, discriminator, key_expires_at, stage, fingerprint, received_at,
    quarantine, junk, body, set_aside";

fn delivery(row: &Row<'_>) -> rusqlite::Result<(SpillId, NewDelivery)> {
    let (endpoint, body): (Arc<str>, Vec<u8>) = (row.get(1)?, row.get(12)?);
    let mut new = NewDelivery::new(endpoint, column::provider(row, 2)?, column::timestamp(row, 9)?, Bytes::from(body));
    new.event_type = row.get(3)?;
    new.key = column::key(row, 4)?;
    new.key_expires_at = row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis);
    new.stage = row.get::<_, Option<u8>>(7)?.map(Stage::from_u8);
    new.fingerprint = Fingerprint::from_bytes(row.get(8)?);
    let junk: bool = row.get(11)?;
    let quarantine = if junk { Quarantine::junk } else { Quarantine::misfit };
    new.quarantine = row.get::<_, Option<String>>(10)?.map(quarantine);
    Ok((SpillId::from_i64(row.get(0)?), new))
}

pub(super) fn oldest(connection: &Connection, limit: usize, bytes: usize) -> rusqlite::Result<Vec<(SpillId, NewDelivery)>> {
    let sql = format!("SELECT {COLUMNS} FROM onramp_spill WHERE set_aside IS NULL ORDER BY id LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let (mut oldest, mut read) = (Vec::new(), 0);
    for row in statement.query_map([bound(limit)], delivery)? {
        let (id, new) = row?;
        read += new.body.len();
        if read > bytes && !oldest.is_empty() {
            break;
        }
        oldest.push((id, new));
    }
    Ok(oldest)
}

pub(super) fn aside(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<SetAside>> {
    let sql = format!("SELECT {COLUMNS} FROM onramp_spill WHERE set_aside IS NOT NULL ORDER BY id LIMIT ?");
    let set_aside = |row: &Row<'_>| {
        let (id, delivery) = delivery(row)?;
        Ok(SetAside { id, delivery, reason: row.get(13)? })
    };
    connection.prepare_cached(&sql)?.query_map([bound(limit)], set_aside)?.collect()
}

pub(super) fn remove(connection: &Connection, ids: &[SpillId]) -> rusqlite::Result<()> {
    let mut remove = connection.prepare_cached("DELETE FROM onramp_spill WHERE id = ?")?;
    ids.iter().try_for_each(|id| remove.execute([id.as_i64()]).map(drop))
}

pub(super) fn set_aside(connection: &Connection, id: SpillId, reason: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE onramp_spill SET set_aside = ? WHERE id = ? AND set_aside IS NULL")?
        .execute(params![reason, id.as_i64()])
        .map(drop)
}

pub(super) fn put_back(connection: &Connection) -> rusqlite::Result<u64> {
    let back = connection.execute("UPDATE onramp_spill SET set_aside = NULL WHERE set_aside IS NOT NULL", [])?;
    Ok(back as u64)
}

pub(super) fn counts(connection: &Connection) -> rusqlite::Result<SpillCounts> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM onramp_spill WHERE set_aside IS NULL),
                    (SELECT count(*) FROM onramp_spill WHERE set_aside IS NOT NULL),
                    (SELECT max(id) FROM onramp_spill WHERE set_aside IS NULL)",
        )?
        .query_row([], |row| {
            let newest = row.get::<_, Option<i64>>(2)?.map(SpillId::from_i64);
            Ok(SpillCounts { waiting: column::count(row, 0)?, set_aside: column::count(row, 1)?, newest })
        })
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

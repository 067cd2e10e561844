//! Statements on the rows of purchases.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, OrderId};
use onramp_webhooks::purchases::{Purchase, PurchaseStatus};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::db::column;

/// The maximum number of rows of a kind in one call of `prune`, so that no commit keeps requests waiting for long.
const ROUND: u32 = 250;

/// Returns the key for an id, which is the id in lower case.
pub(super) fn key(id: &OrderId) -> String {
    id.as_str().to_ascii_lowercase()
}

const START: &str = "INSERT INTO onramp_purchases (id, asset_type, network, to_address, fiat_amount, crypto_amount, started_at,
        additional_fields, fiat_currency)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

/// Stores a purchase. Returns `false` if a different purchase has its `id`.
pub(super) fn start(connection: &Connection, purchase: &Purchase) -> rusqlite::Result<bool> {
    let key = key(&purchase.id);
    let inserted = connection.prepare_cached(START)?.execute(params![
        key,
        purchase.asset_type.as_ref().map(AsRef::as_ref),
        purchase.network,
        purchase.to_address.as_ref().map(AsRef::as_ref),
        purchase.fiat_amount.as_ref().map(Amount::as_str),
        purchase.crypto_amount.as_ref().map(Amount::as_str),
        purchase.started_at.as_millis(),
        purchase.additional_fields.to_json(),
        purchase.fiat_currency.as_ref().map(AsRef::as_ref),
    ])?;
    Ok(inserted > 0 || find(connection, &key)?.started.is_some_and(|first| first.is_same_request(purchase)))
}

const FIND_STARTED: &str = "SELECT id, asset_type, network, to_address, fiat_amount, crypto_amount, started_at,
        additional_fields, fiat_currency FROM onramp_purchases WHERE id = ?";
const FIND_RELEASED: &str = "SELECT released_at FROM onramp_released_purchases WHERE id = ?";

/// Returns the purchase and the release that are stored under a key.
pub(super) fn find(connection: &Connection, key: &str) -> rusqlite::Result<PurchaseStatus> {
    let started = connection.prepare_cached(FIND_STARTED)?.query_row([key], started).optional()?;
    let released_at = connection.prepare_cached(FIND_RELEASED)?.query_row([key], |row| column::timestamp(row, 0)).optional()?;
    Ok(PurchaseStatus { started, released_at })
}

fn started(row: &Row<'_>) -> rusqlite::Result<Purchase> {
    let mut started = Purchase::new(row.get::<_, String>(0)?, column::timestamp(row, 6)?);
    started.asset_type = row.get::<_, Option<String>>(1)?.map(Into::into);
    started.network = row.get(2)?;
    started.to_address = row.get::<_, Option<String>>(3)?.map(Into::into);
    started.fiat_amount = column::amount(row, 4)?;
    started.crypto_amount = column::amount(row, 5)?;
    started.additional_fields = column::fields(row, 7)?;
    started.fiat_currency = row.get::<_, Option<String>>(8)?.map(Into::into);
    Ok(started)
}

const RELEASE: &str = "INSERT INTO onramp_released_purchases (id, released_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING";

/// Releases a purchase. A repeated release keeps the first time.
pub(super) fn release(connection: &Connection, key: &str, now: Timestamp) -> rusqlite::Result<()> {
    connection.prepare_cached(RELEASE)?.execute(params![key, now.as_millis()]).map(drop)
}

const PRUNE_STARTED: &str = "DELETE FROM onramp_purchases WHERE id IN
    (SELECT id FROM onramp_purchases WHERE started_at < ? ORDER BY started_at LIMIT ?)";
const PRUNE_RELEASED: &str = "DELETE FROM onramp_released_purchases WHERE id IN
    (SELECT id FROM onramp_released_purchases WHERE released_at < ? ORDER BY released_at LIMIT ?)";

/// Removes old rows, the oldest first.
pub(super) fn prune(connection: &Connection, before: Timestamp) -> rusqlite::Result<u64> {
    let mut pruned = 0;
    for statement in [PRUNE_STARTED, PRUNE_RELEASED] {
        pruned += connection.prepare_cached(statement)?.execute(params![before.as_millis(), ROUND])? as u64;
    }
    Ok(pruned)
}

//! Started purchases, over the same writer as the inbox.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, PostbackId};
use onramp_webhooks::kriptomat::started::{KnownPurchase, StartedPurchase, StartedPurchases};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::writer::{Effect, Writer};
use crate::{SqliteOptions, column};

/// The most rows of a kind that one call of `prune` removes, so that no commit keeps requests waiting for long.
const ROUND: u32 = 250;

/// A store of [started purchases](StartedPurchases) in one SQLite file. Any number of them, and of inboxes, in any number of processes
/// on one machine, may share a file; beside an inbox in the same process,
/// [`SqliteInbox::started_purchases`](crate::SqliteInbox::started_purchases) gives one.
///
/// Every answer comes after the commit that holds it has reached the disk. Cheap to clone; clones share their thread.
#[derive(Clone)]
pub struct SqliteStartedPurchases {
    options: Arc<SqliteOptions>,
    writer: Writer,
}

impl SqliteStartedPurchases {
    /// Opens the store in the file at `path`, which is made when it is missing.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path).open_started_purchases().await
    }

    pub(crate) async fn begin(options: SqliteOptions) -> Result<Self, StoreError> {
        let writer = Writer::start(options.clone()).await?;
        Ok(Self::sharing(Arc::new(options), writer))
    }

    pub(crate) const fn sharing(options: Arc<SqliteOptions>, writer: Writer) -> Self {
        Self { options, writer }
    }
}

#[async_trait]
impl StartedPurchases for SqliteStartedPurchases {
    async fn start(&self, purchase: StartedPurchase) -> Result<(), StoreError> {
        let is_there = self.writer.call(Effect::Quiet, move |batch| start(batch.connection, &purchase)).await?;
        let refused = || StoreError::new(StoreErrorKind::Refused, "start a purchase").because("another one has this uuid");
        is_there.then_some(()).ok_or_else(refused)
    }

    async fn find(&self, uuid: &PostbackId) -> Result<KnownPurchase, StoreError> {
        let key = key(uuid);
        self.writer.call(Effect::Quiet, move |batch| find(batch.connection, &key)).await
    }

    async fn release(&self, uuid: &PostbackId, now: Timestamp) -> Result<(), StoreError> {
        let key = key(uuid);
        self.writer.call(Effect::Quiet, move |batch| release(batch.connection, &key, now)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| prune(batch.connection, before)).await
    }
}

impl fmt::Debug for SqliteStartedPurchases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStartedPurchases").field("path", &self.options.path).finish_non_exhaustive()
    }
}

fn key(uuid: &PostbackId) -> String {
    uuid.as_str().to_ascii_lowercase()
}

/// Writes a purchase down; `false`: another one has its `uuid`.
fn start(connection: &Connection, purchase: &StartedPurchase) -> rusqlite::Result<bool> {
    let key = key(&purchase.uuid);
    let inserted = connection
        .prepare_cached(
            "INSERT INTO onramp_started_purchases (uuid, asset_type, network, to_address, fiat_amount, crypto_amount, started_at)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uuid) DO NOTHING",
        )?
        .execute(params![
            key,
            purchase.asset_type.as_ref().map(AsRef::as_ref),
            purchase.network,
            purchase.to_address.as_ref().map(AsRef::as_ref),
            purchase.fiat_amount.as_ref().map(Amount::as_str),
            purchase.crypto_amount.as_ref().map(Amount::as_str),
            purchase.started_at.as_millis(),
        ])?;
    Ok(inserted > 0 || find(connection, &key)?.started.is_some_and(|first| first.asks_for_the_same(purchase)))
}

fn find(connection: &Connection, key: &str) -> rusqlite::Result<KnownPurchase> {
    let started = connection
        .prepare_cached(
            "SELECT uuid, asset_type, network, to_address, fiat_amount, crypto_amount, started_at
             FROM onramp_started_purchases WHERE uuid = ?",
        )?
        .query_row([key], started)
        .optional()?;
    let released_at = connection
        .prepare_cached("SELECT released_at FROM onramp_released_purchases WHERE uuid = ?")?
        .query_row([key], |row| column::timestamp(row, 0))
        .optional()?;
    Ok(KnownPurchase { started, released_at })
}

fn started(row: &Row<'_>) -> rusqlite::Result<StartedPurchase> {
    let mut started = StartedPurchase::new(row.get::<_, String>(0)?, column::timestamp(row, 6)?);
    started.asset_type = row.get::<_, Option<String>>(1)?.map(Into::into);
    started.network = row.get(2)?;
    started.to_address = row.get::<_, Option<String>>(3)?.map(Into::into);
    started.fiat_amount = amount(row, 4)?;
    started.crypto_amount = amount(row, 5)?;
    Ok(started)
}

fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Amount>> {
    let parsed = row.get::<_, Option<String>>(column)?.map(|text| text.parse()).transpose();
    parsed.map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// Lets a purchase pass; the first time stays.
fn release(connection: &Connection, key: &str, now: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO onramp_released_purchases (uuid, released_at) VALUES (?, ?) ON CONFLICT (uuid) DO NOTHING")?
        .execute(params![key, now.as_millis()])
        .map(drop)
}

/// Removes what is old, the oldest first.
fn prune(connection: &Connection, before: Timestamp) -> rusqlite::Result<u64> {
    let started = "DELETE FROM onramp_started_purchases WHERE uuid IN
        (SELECT uuid FROM onramp_started_purchases WHERE started_at < ? ORDER BY started_at LIMIT ?)";
    let released = "DELETE FROM onramp_released_purchases WHERE uuid IN
        (SELECT uuid FROM onramp_released_purchases WHERE released_at < ? ORDER BY released_at LIMIT ?)";
    let mut pruned = 0;
    for statement in [started, released] {
        pruned += connection.prepare_cached(statement)?.execute(params![before.as_millis(), ROUND])? as u64;
    }
    Ok(pruned)
}

//! Started purchases.

use std::fmt;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, PostbackId};
use onramp_webhooks::idempotency::IdempotencyKey;
use onramp_webhooks::kriptomat::started::{KnownPurchase, StartedPurchase, StartedPurchases};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection, PgPool, Row};

use crate::database::{Database, Limit};
use crate::schema::Schema;
use crate::{PostgresOptions, column, connection, text};

/// The most rows of a kind that one call of `prune` removes, so that no transaction grows large.
const ROUND: i64 = 1_000;

/// How often a purchase is started whose `uuid` is taken by one that is gone when we look.
const LOOKS: usize = 5;

/// A store of [started purchases](StartedPurchases) in one schema of a PostgreSQL database. Any number of them, and of inboxes, on any
/// number of machines, may share a schema.
///
/// Every answer comes after the commit that holds it has reached the server's disk. Cheap to clone.
#[derive(Clone)]
pub struct PostgresStartedPurchases {
    database: Database,
}

impl PostgresStartedPurchases {
    /// Opens the store in the schema `onramp` of the application's own pool.
    ///
    /// # Errors
    /// As [`PostgresOptions::open`].
    pub async fn new(pool: PgPool) -> Result<Self, StoreError> {
        PostgresOptions::new(pool).open_started_purchases().await
    }

    /// Connects a pool to `url` and opens the store in its schema `onramp`.
    ///
    /// # Errors
    /// When the server cannot be reached, and as [`PostgresOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::new(connection::pool(url).await?).await
    }

    pub(crate) const fn of(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl StartedPurchases for PostgresStartedPurchases {
    async fn start(&self, purchase: StartedPurchase) -> Result<(), StoreError> {
        let purchase = &purchase;
        let start = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let is_there = start(&mut transaction, &self.database.schema, purchase).await?;
            transaction.commit().await?;
            Ok(is_there)
        };
        let is_there = self.database.tried("start a purchase", Limit::Prompt, start).await?;
        let refused = || StoreError::new(StoreErrorKind::Refused, "start a purchase").because("another one has this uuid");
        is_there.then_some(()).ok_or_else(refused)
    }

    async fn find(&self, uuid: &PostbackId) -> Result<KnownPurchase, StoreError> {
        let (key, _) = &key(uuid);
        let find = |_| async move {
            let mut transaction = self.database.begin_reading().await?;
            let found = find(&mut transaction, &self.database.schema, key).await?;
            transaction.commit().await?;
            Ok(found)
        };
        self.database.tried("find a purchase", Limit::Prompt, find).await
    }

    async fn release(&self, uuid: &PostbackId, now: Timestamp) -> Result<(), StoreError> {
        let insert =
            "INSERT INTO onramp.released_purchases (key, uuid, released_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING";
        let (key, uuid) = &key(uuid);
        let release = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let insert = sqlx::query(self.database.schema.sql(insert)).bind(key).bind(text::kept(uuid)).bind(now.as_millis());
            insert.execute(&mut *transaction).await?;
            transaction.commit().await
        };
        self.database.tried("release a purchase", Limit::Prompt, release).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let prune = |_| async move {
            let mut transaction = self.database.begin(Limit::Patient).await?;
            let pruned = prune(&mut transaction, &self.database.schema, before).await?;
            transaction.commit().await?;
            Ok(pruned)
        };
        self.database.tried("prune purchases", Limit::Patient, prune).await
    }
}

impl fmt::Debug for PostgresStartedPurchases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStartedPurchases").field("schema", &self.database.schema.name()).finish_non_exhaustive()
    }
}

/// What finds a `uuid`, fixed in size, and the `uuid` in the case that all have here.
fn key(uuid: &PostbackId) -> (Vec<u8>, String) {
    let uuid = uuid.as_str().to_ascii_lowercase();
    (IdempotencyKey::of(&[uuid.as_bytes()]).as_bytes().to_vec(), uuid)
}

/// Writes a purchase down; `false`: another one has its `uuid`.
async fn start(connection: &mut PgConnection, schema: &Schema, purchase: &StartedPurchase) -> sqlx::Result<bool> {
    let insert = "INSERT INTO onramp.started_purchases
            (key, uuid, asset_type, network, to_address, fiat_amount, crypto_amount, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO NOTHING";
    let (key, uuid) = key(&purchase.uuid);
    for _ in 0..LOOKS {
        let inserted = sqlx::query(schema.sql(insert))
            .bind(&key)
            .bind(text::kept(&uuid))
            .bind(purchase.asset_type.as_ref().map(|code| text::kept(code.as_str())))
            .bind(purchase.network.as_deref().map(text::kept))
            .bind(purchase.to_address.as_ref().map(|address| text::kept(address.as_str())))
            .bind(purchase.fiat_amount.as_ref().map(Amount::as_str))
            .bind(purchase.crypto_amount.as_ref().map(Amount::as_str))
            .bind(purchase.started_at.as_millis())
            .execute(&mut *connection)
            .await?;
        if inserted.rows_affected() > 0 {
            return Ok(true);
        }
        if let Some(first) = find(connection, schema, &key).await?.started {
            return Ok(first.asks_for_the_same(purchase));
        }
    }
    Err(Error::RowNotFound)
}

async fn find(connection: &mut PgConnection, schema: &Schema, key: &[u8]) -> sqlx::Result<KnownPurchase> {
    let find = "SELECT uuid, asset_type, network, to_address, fiat_amount, crypto_amount, started_at, released_at
         FROM (SELECT $1::bytea AS key) AS asked
         LEFT JOIN onramp.started_purchases USING (key)
         LEFT JOIN (SELECT key, released_at FROM onramp.released_purchases) AS released USING (key)";
    let row = sqlx::query(schema.sql(find)).bind(key).fetch_one(connection).await?;
    Ok(KnownPurchase { started: started(&row)?, released_at: column::timestamp(&row, "released_at")? })
}

fn started(row: &PgRow) -> sqlx::Result<Option<StartedPurchase>> {
    let (Some(uuid), Some(started_at)) = (column::text(row, "uuid")?, column::timestamp(row, "started_at")?) else {
        return Ok(None);
    };
    let mut started = StartedPurchase::new(uuid, started_at);
    started.asset_type = column::text(row, "asset_type")?.map(Into::into);
    started.network = column::text(row, "network")?;
    started.to_address = column::text(row, "to_address")?.map(Into::into);
    started.fiat_amount = amount(row, "fiat_amount")?;
    started.crypto_amount = amount(row, "crypto_amount")?;
    Ok(Some(started))
}

fn amount(row: &PgRow, column: &str) -> sqlx::Result<Option<Amount>> {
    let parsed = row.try_get::<Option<String>, _>(column)?.map(|text| text.parse()).transpose();
    parsed.map_err(|error| Error::Decode(Box::new(error)))
}

/// Removes what is old, the oldest first.
async fn prune(connection: &mut PgConnection, schema: &Schema, before: Timestamp) -> sqlx::Result<u64> {
    let started = "DELETE FROM onramp.started_purchases WHERE key IN
        (SELECT key FROM onramp.started_purchases WHERE started_at < $1 ORDER BY started_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let released = "DELETE FROM onramp.released_purchases WHERE key IN
        (SELECT key FROM onramp.released_purchases WHERE released_at < $1 ORDER BY released_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let mut pruned = 0;
    for statement in [started, released] {
        let removed = sqlx::query(schema.sql(statement)).bind(before.as_millis()).bind(ROUND).execute(&mut *connection).await?;
        pruned += removed.rows_affected();
    }
    Ok(pruned)
}

//! Statements on the rows of purchases.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, OrderId};
use onramp_webhooks::idempotency::IdempotencyKey;
use onramp_webhooks::purchases::{Purchase, PurchaseStatus};
use sqlx::postgres::PgRow;
use sqlx::{Error, PgConnection};

use crate::db::{Schema, column, text};

/// The maximum number of rows of a kind in one call of `prune`, so that no transaction grows large.
const ROUND: i64 = 1_000;

/// The number of attempts to start a purchase if the purchase that holds its id is removed before it can be read.
const ATTEMPTS: usize = 5;

/// An id in lower case, and its hash, which has a fixed size.
pub(super) struct Key {
    id: String,
    hash: IdempotencyKey,
}

impl Key {
    pub(super) fn of(id: &OrderId) -> Self {
        let id = id.as_str().to_ascii_lowercase();
        Self { hash: IdempotencyKey::of(&[id.as_bytes()]), id }
    }

    fn hash(&self) -> &[u8] {
        self.hash.as_bytes()
    }
}

const START: &str = "INSERT INTO onramp.purchases
        (key, id, asset_type, network, to_address, fiat_amount, crypto_amount, started_at, additional_fields, fiat_currency)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (key) DO NOTHING";

/// Stores a purchase. Returns `false` if a different purchase has its `id`.
pub(super) async fn start(connection: &mut PgConnection, schema: &Schema, purchase: &Purchase) -> sqlx::Result<bool> {
    let key = Key::of(&purchase.id);
    for _ in 0..ATTEMPTS {
        let inserted = schema
            .query(START)
            .bind(key.hash())
            .bind(text::stored(&key.id))
            .bind(purchase.asset_type.as_ref().map(|code| text::stored(code.as_str())))
            .bind(purchase.network.as_deref().map(text::stored))
            .bind(purchase.to_address.as_ref().map(|address| text::stored(address.as_str())))
            .bind(purchase.fiat_amount.as_ref().map(Amount::as_str))
            .bind(purchase.crypto_amount.as_ref().map(Amount::as_str))
            .bind(purchase.started_at.as_millis())
            .bind(text::stored(&purchase.additional_fields.to_json()))
            .bind(purchase.fiat_currency.as_ref().map(|code| text::stored(code.as_str())))
            .execute(&mut *connection)
            .await?;
        if inserted.rows_affected() > 0 {
            return Ok(true);
        }
        if let Some(first) = find(connection, schema, &key).await?.started {
            return Ok(first.is_same_request(purchase));
        }
    }
    Err(Error::RowNotFound)
}

const FIND: &str = "SELECT id, asset_type, network, to_address, fiat_amount, crypto_amount, started_at, additional_fields,
        fiat_currency, released_at
     FROM (SELECT $1::bytea AS key) AS asked
     LEFT JOIN onramp.purchases USING (key)
     LEFT JOIN (SELECT key, released_at FROM onramp.released_purchases) AS released USING (key)";

/// Returns the purchase and the release that are stored under a key.
pub(super) async fn find(connection: &mut PgConnection, schema: &Schema, key: &Key) -> sqlx::Result<PurchaseStatus> {
    let row = schema.query(FIND).bind(key.hash()).fetch_one(connection).await?;
    Ok(PurchaseStatus { started: started(&row)?, released_at: column::timestamp(&row, "released_at")? })
}

fn started(row: &PgRow) -> sqlx::Result<Option<Purchase>> {
    let (Some(id), Some(started_at)) = (column::text(row, "id")?, column::timestamp(row, "started_at")?) else {
        return Ok(None);
    };
    let mut started = Purchase::new(id, started_at);
    started.asset_type = column::text(row, "asset_type")?.map(Into::into);
    started.network = column::text(row, "network")?;
    started.to_address = column::text(row, "to_address")?.map(Into::into);
    started.fiat_amount = column::amount(row, "fiat_amount")?;
    started.crypto_amount = column::amount(row, "crypto_amount")?;
    started.additional_fields = column::fields(row, "additional_fields")?;
    started.fiat_currency = column::text(row, "fiat_currency")?.map(Into::into);
    Ok(Some(started))
}

const RELEASE: &str =
    "INSERT INTO onramp.released_purchases (key, id, released_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING";

/// Releases a purchase. A repeated release keeps the first time.
pub(super) async fn release(connection: &mut PgConnection, schema: &Schema, key: &Key, now: Timestamp) -> sqlx::Result<()> {
    let release = schema.query(RELEASE).bind(key.hash()).bind(text::stored(&key.id)).bind(now.as_millis());
    release.execute(connection).await.map(drop)
}

const PRUNE_STARTED: &str = "DELETE FROM onramp.purchases WHERE key IN
    (SELECT key FROM onramp.purchases WHERE started_at < $1 ORDER BY started_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
const PRUNE_RELEASED: &str = "DELETE FROM onramp.released_purchases WHERE key IN
    (SELECT key FROM onramp.released_purchases WHERE released_at < $1 ORDER BY released_at LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Removes old rows, the oldest first.
pub(super) async fn prune(connection: &mut PgConnection, schema: &Schema, before: Timestamp) -> sqlx::Result<u64> {
    let mut pruned = 0;
    for statement in [PRUNE_STARTED, PRUNE_RELEASED] {
        let removed = schema.query(statement).bind(before.as_millis()).bind(ROUND).execute(&mut *connection).await?;
        pruned += removed.rows_affected();
    }
    Ok(pruned)
}

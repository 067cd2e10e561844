//! Opening with the application's own pool.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::QuarantineBound;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::database::Database;
use crate::error::failed;
use crate::migrations::migrate;
use crate::schema::Schema;
use crate::{PostgresIdempotencyStore, PostgresInbox, PostgresStartedPurchases};

/// How long a pool of ours waits for a connection: not so long that the receiver misses its ack deadline.
const ACQUIRE: Duration = Duration::from_millis(2_500);

/// How to open a [`PostgresInbox`], a [`PostgresIdempotencyStore`] or a [`PostgresStartedPurchases`].
///
/// ```no_run
/// # async fn open(pool: sqlx::PgPool) -> Result<(), onramp_webhooks::StoreError> {
/// use onramp_webhooks_postgres::PostgresOptions;
///
/// let inbox = PostgresOptions::new(pool).schema("shop_webhooks").open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pool: PgPool,
    schema: String,
    quarantine: QuarantineBound,
}

impl PostgresOptions {
    /// The schema `onramp` in the database of `pool`, which the application may go on using for itself.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, schema: "onramp".into(), quarantine: QuarantineBound::default() }
    }

    /// The schema that the tables are in, which is made when it is missing: a to z, 0 to 9 and `_`, at most 48 of them. Default:
    /// `onramp`.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// How much junk to keep. Default: 1 000 deliveries with 64 MiB.
    #[must_use]
    pub fn quarantine(mut self, bound: QuarantineBound) -> Self {
        self.quarantine = bound;
        self
    }

    /// Opens the inbox, in a runtime of tokio.
    ///
    /// # Errors
    /// When the schema's name is none, the server cannot be reached, the schema cannot be migrated, or was written by a newer version.
    pub async fn open(self) -> Result<PostgresInbox, StoreError> {
        let bound = self.quarantine;
        PostgresInbox::start(self.database().await?, bound).await
    }

    /// Opens a store of idempotency keys alone; [`PostgresInbox::idempotency_store`] gives the one beside an inbox.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_idempotency_store(self) -> Result<PostgresIdempotencyStore, StoreError> {
        Ok(PostgresIdempotencyStore::of(self.database().await?, Arc::default()))
    }

    /// Opens a store of started purchases alone; [`PostgresInbox::started_purchases`] gives the one beside an inbox.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_started_purchases(self) -> Result<PostgresStartedPurchases, StoreError> {
        Ok(PostgresStartedPurchases::of(self.database().await?))
    }

    /// The migrated database.
    async fn database(self) -> Result<Database, StoreError> {
        let database = Database { pool: self.pool, schema: Arc::new(Schema::new(&self.schema)?) };
        migrate(&database).await?;
        Ok(database)
    }
}

/// A pool of our own, for who has none.
pub(crate) async fn pool(url: &str) -> Result<PgPool, StoreError> {
    PgPoolOptions::new().acquire_timeout(ACQUIRE).connect(url).await.map_err(failed("connect to the database"))
}

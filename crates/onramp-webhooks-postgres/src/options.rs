//! Options for opening the inbox and the other stores.

use std::fmt;
use std::sync::Arc;

use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::QuarantineBound;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::db::{Database, Schema, is_behind_pooler, migrate, require};
use crate::{PostgresIdempotencyStore, PostgresInbox, PostgresPurchaseStore};

/// Options for opening a [`PostgresInbox`], a [`PostgresIdempotencyStore`] or a [`PostgresPurchaseStore`].
///
/// ```no_run
/// # async fn open(pool: sqlx::PgPool) -> Result<(), onramp_webhooks::StoreError> {
/// use onramp_webhooks_postgres::PostgresOptions;
///
/// let inbox = PostgresOptions::new(pool).schema("shop_webhooks").open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pool: PgPool,
    schema: String,
    quarantine: QuarantineBound,
    is_pooled: Option<bool>,
    direct: Option<PgConnectOptions>,
    must_exist: bool,
}

impl PostgresOptions {
    /// Returns the default options for the database of `pool`. The application may use the pool as well.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            schema: "onramp".into(),
            quarantine: QuarantineBound::default(),
            is_pooled: None,
            direct: None,
            must_exist: false,
        }
    }

    /// Sets the schema of the tables, which is created if it is missing. A name has up to 48 characters of a to z, 0 to 9 and `_`. The
    /// default is `onramp`.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Sets the bound on quarantined noise. The default is 1 000 deliveries with 64 MiB.
    #[must_use]
    pub fn quarantine(mut self, bound: QuarantineBound) -> Self {
        self.quarantine = bound;
        self
    }

    /// Sets whether a connection pooler stands between the application and the server and gives a connection to several clients in turn.
    /// The default is found out when the inbox opens, and is `true` behind a pooler of any kind. `false` is right for one in session mode.
    #[must_use]
    pub fn transaction_pooler(mut self, is_there: bool) -> Self {
        self.is_pooled = Some(is_there);
        self
    }

    /// Sets an address of the server without a connection pooler, at which a worker waits for deliveries of other machines. Without one,
    /// a worker behind a pooler finds them when it polls.
    #[must_use]
    pub fn direct(mut self, server: PgConnectOptions) -> Self {
        self.direct = Some(server);
        self
    }

    /// Refuses to create or migrate anything, for tools that look at the database of another program.
    #[must_use]
    pub const fn must_exist(mut self) -> Self {
        self.must_exist = true;
        self
    }

    /// Opens the inbox. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the schema's name is invalid, the server cannot be reached or is a read-only replica, or the schema cannot be
    /// migrated or is too new.
    pub async fn open(self) -> Result<PostgresInbox, StoreError> {
        let bound = self.quarantine;
        PostgresInbox::start(self.database().await?, bound).await
    }

    /// Opens a store of idempotency keys without an inbox. If there is an inbox, use [`PostgresInbox::idempotency_store`] instead.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open).
    pub async fn open_idempotency_store(self) -> Result<PostgresIdempotencyStore, StoreError> {
        Ok(PostgresIdempotencyStore::of(self.database().await?, Arc::default()))
    }

    /// Opens a store of purchases without an inbox. If there is an inbox, use [`PostgresInbox::purchases`] instead.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open).
    pub async fn open_purchases(self) -> Result<PostgresPurchaseStore, StoreError> {
        Ok(PostgresPurchaseStore::of(self.database().await?))
    }

    /// Migrates the database and returns it.
    async fn database(self) -> Result<Database, StoreError> {
        let schema = Schema::new(&self.schema)?;
        let is_pooled = match self.is_pooled {
            Some(declared) => declared,
            None => is_behind_pooler(&self.pool).await?,
        };
        let schema = Arc::new(schema.unnamed_statements(is_pooled));
        let database = Database { pool: self.pool, schema, is_pooled, direct: self.direct.map(Arc::new) };
        if self.must_exist {
            require(&database).await?
        } else {
            migrate(&database).await?
        }
        Ok(database)
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("quarantine", &self.quarantine)
            .finish_non_exhaustive()
    }
}

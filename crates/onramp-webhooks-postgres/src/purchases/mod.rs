//! Purchases that were started or released.

mod rows;

use std::fmt;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::purchases::{Purchase, PurchaseInbox, PurchaseStatus, PurchaseStore};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::PgPool;

use self::rows::Key;
use crate::db::{Database, Limit, connect};
use crate::{PostgresInbox, PostgresOptions};

/// A store of [purchases](PurchaseStore) in one schema of a PostgreSQL database.
///
/// Any number of stores and inboxes, on any number of machines, may share a schema. A call returns after the commit of its changes
/// has reached the server's disk. Cheap to clone.
#[derive(Clone)]
pub struct PostgresPurchaseStore {
    database: Database,
}

impl PostgresPurchaseStore {
    /// Opens the store in the schema `onramp` of the application's own pool.
    ///
    /// # Errors
    /// Returns the errors of [`PostgresOptions::open`].
    pub async fn new(pool: PgPool) -> Result<Self, StoreError> {
        PostgresOptions::new(pool).open_purchases().await
    }

    /// Connects a pool to `url` and opens the store in its schema `onramp`.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid or the server cannot be reached, and the errors of [`PostgresOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::new(connect(url).await?).await
    }

    pub(crate) const fn of(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl PurchaseStore for PostgresPurchaseStore {
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError> {
        let purchase = &purchase;
        let start = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let stored = rows::start(&mut transaction, &self.database.schema, purchase).await?;
            transaction.commit().await?;
            Ok(stored)
        };
        let stored = self.database.tried("start a purchase", Limit::Prompt, start).await?;
        let refused = || StoreError::new(StoreErrorKind::Refused, "start a purchase").because("another purchase has this id");
        stored.then_some(()).ok_or_else(refused)
    }

    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError> {
        let key = &Key::of(id);
        let find = |_| async move {
            let mut transaction = self.database.begin_reading().await?;
            let found = rows::find(&mut transaction, &self.database.schema, key).await?;
            transaction.commit().await?;
            Ok(found)
        };
        self.database.tried("find a purchase", Limit::Prompt, find).await
    }

    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        let key = &Key::of(id);
        let release = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            rows::release(&mut transaction, &self.database.schema, key, now).await?;
            transaction.commit().await
        };
        self.database.tried("release a purchase", Limit::Prompt, release).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let prune = |_| async move {
            let mut transaction = self.database.begin(Limit::Patient).await?;
            let pruned = rows::prune(&mut transaction, &self.database.schema, before).await?;
            transaction.commit().await?;
            Ok(pruned)
        };
        self.database.tried("prune purchases", Limit::Patient, prune).await
    }
}

impl fmt::Debug for PostgresPurchaseStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPurchaseStore").field("schema", &self.database.schema.name()).finish_non_exhaustive()
    }
}

impl PurchaseInbox for PostgresInbox {
    type Purchases = PostgresPurchaseStore;

    fn purchases(&self) -> PostgresPurchaseStore {
        self.purchases()
    }
}

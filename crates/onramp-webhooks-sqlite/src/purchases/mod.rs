//! Purchases that were started or released, over the writing thread.

mod rows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::purchases::{Purchase, PurchaseInbox, PurchaseStatus, PurchaseStore};
use onramp_webhooks::{StoreError, StoreErrorKind};

use crate::db::{Effect, Writer};
use crate::{SqliteInbox, SqliteOptions};

/// A store of [purchases](PurchaseStore) in one SQLite file.
///
/// Any number of stores and inboxes, in any number of processes on one machine, may share a file. If the process also has an inbox in the
/// file, use [`SqliteInbox::purchases`](crate::SqliteInbox::purchases).
///
/// A call returns after the commit that holds its result has reached the disk. Cheap to clone; clones share their thread.
#[derive(Clone)]
pub struct SqlitePurchaseStore {
    options: Arc<SqliteOptions>,
    writer: Writer,
}

impl SqlitePurchaseStore {
    /// Opens the store in the file at `path`, and creates the file if it is missing.
    ///
    /// # Errors
    /// Returns the errors of [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path).open_purchases().await
    }

    pub(crate) async fn open_with(options: SqliteOptions) -> Result<Self, StoreError> {
        let writer = Writer::start(options.file.clone()).await?;
        Ok(Self::sharing(Arc::new(options), writer))
    }

    pub(crate) const fn sharing(options: Arc<SqliteOptions>, writer: Writer) -> Self {
        Self { options, writer }
    }
}

#[async_trait]
impl PurchaseStore for SqlitePurchaseStore {
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError> {
        let stored = self.writer.call(Effect::Quiet, move |batch| rows::start(batch.connection, &purchase)).await?;
        let refused = || StoreError::new(StoreErrorKind::Refused, "start a purchase").because("another purchase has this id");
        stored.then_some(()).ok_or_else(refused)
    }

    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError> {
        let key = rows::key(id);
        self.writer.call(Effect::Quiet, move |batch| rows::find(batch.connection, &key)).await
    }

    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        let key = rows::key(id);
        self.writer.call(Effect::Quiet, move |batch| rows::release(batch.connection, &key, now)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| rows::prune(batch.connection, before)).await
    }
}

impl fmt::Debug for SqlitePurchaseStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlitePurchaseStore").field("path", &self.options.file.path).finish_non_exhaustive()
    }
}

impl PurchaseInbox for SqliteInbox {
    type Purchases = SqlitePurchaseStore;

    fn purchases(&self) -> SqlitePurchaseStore {
        self.purchases()
    }
}

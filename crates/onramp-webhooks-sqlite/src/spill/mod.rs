//! The spill in a separate SQLite file.

mod lock;
mod rows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::spill::{MovingLock, SpillCounts, SpillId, SpillStore};

use crate::SqliteOptions;
use crate::db::{Batch, Effect, Purpose, Writer};

/// A [`SpillStore`] in a separate SQLite file.
///
/// Any number of spills, in any number of processes on one machine, may share a file. One process at a time moves the deliveries: it
/// locks the file `PATH-moving` next to the database, and the lock is released when the process ends.
///
/// A call that writes returns after the commit that holds it has reached the disk. Cheap to clone; clones share their thread. The last
/// clone that is dropped closes the file as [`close`](Self::close) does, and blocks until then.
#[derive(Clone)]
pub struct SqliteSpill {
    options: Arc<SqliteOptions>,
    writer: Writer,
}

impl SqliteSpill {
    /// Opens the spill in the file at `path`, and creates the file if it is missing.
    ///
    /// # Errors
    /// Returns the errors of [`SqliteOptions::open_spill`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path).open_spill().await
    }

    /// Closes the file after the calls that are queued, for every clone. Later calls fail with
    /// [`Closed`](onramp_webhooks::StoreErrorKind::Closed).
    ///
    /// # Errors
    /// Returns the errors of [`SqliteInbox::close`](crate::SqliteInbox::close).
    pub async fn close(&self) -> Result<(), StoreError> {
        self.writer.close().await
    }

    pub(crate) async fn start(mut options: SqliteOptions) -> Result<Self, StoreError> {
        options.file.purpose = Purpose::Spill;
        let writer = Writer::start(options.file.clone()).await?;
        Ok(Self { options: Arc::new(options), writer })
    }

    async fn call<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.writer.call(Effect::Quiet, work).await
    }
}

#[async_trait]
impl SpillStore for SqliteSpill {
    async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError> {
        self.call(move |batch| rows::append(batch.connection, &delivery)).await
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        self.call(move |batch| rows::oldest(batch.connection, limit, bytes)).await
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        self.call(move |batch| rows::remove(batch.connection, &ids)).await
    }

    async fn counts(&self) -> Result<SpillCounts, StoreError> {
        self.call(|batch| rows::counts(batch.connection)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let write = |batch: &mut Batch<'_>| {
            batch.connection.prepare_cached("UPDATE onramp_spill_probe SET writes = writes + 1")?.execute([]).map(drop)
        };
        self.call(write).await
    }

    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        lock::lock(&self.options.file.path).await
    }
}

impl fmt::Debug for SqliteSpill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSpill").field("path", &self.options.file.path).finish_non_exhaustive()
    }
}

//! The inbox over the writer and a reader.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, Inbox, Lease, NewDelivery, Record, Recorded, Replayed, Retention,
    Settlement, State,
};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::Connection;

use crate::batch::Batch;
use crate::error::failed;
use crate::file::FileId;
use crate::writer::{Effect, Writer};
use crate::{SqliteIdempotencyStore, SqliteOptions, SqliteStartedPurchases, claim, look, prune, rearm, record, settle};

/// An [`Inbox`] in one SQLite file. Any number of them, in any number of processes on one machine, may share a file, and an
/// application may keep its own tables in it.
///
/// Every answer of a writing call comes after the commit that holds it has reached the disk.
pub struct SqliteInbox {
    pub(crate) options: Arc<SqliteOptions>,
    pub(crate) writer: Writer,
    reader: Arc<Mutex<Option<(FileId, Connection)>>>,
}

impl SqliteInbox {
    /// Opens the inbox in the file at `path`, which is made when it is missing.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path).open().await
    }

    pub(crate) async fn start(options: SqliteOptions) -> Result<Self, StoreError> {
        let writer = Writer::start(options.clone()).await?;
        Ok(Self { options: Arc::new(options), writer, reader: Arc::default() })
    }

    /// A store of idempotency keys in the same file, written by the same thread: what both of them do at one time shares its
    /// commits. It stays usable after the inbox was dropped.
    #[must_use]
    pub fn idempotency_store(&self) -> SqliteIdempotencyStore {
        SqliteIdempotencyStore::sharing(Arc::clone(&self.options), self.writer.clone())
    }

    /// A store of the purchases that were started, in the same file and written by the same thread. It stays usable after the inbox was
    /// dropped.
    #[must_use]
    pub fn started_purchases(&self) -> SqliteStartedPurchases {
        SqliteStartedPurchases::sharing(Arc::clone(&self.options), self.writer.clone())
    }

    /// Runs `query` on the reading connection, beside the writer.
    async fn read<T, Q>(&self, query: Q) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (options, reader) = (Arc::clone(&self.options), Arc::clone(&self.reader));
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let file = FileId::of(&options.path);
            let (file, connection) = match reader.take() {
                Some(open) if open.0 == file => open,
                _ => (file, options.reader()?),
            };
            let answer = query(&connection).map_err(failed("read the database"))?;
            *reader = Some((file, connection));
            Ok(answer)
        });
        reading.await.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, "read the database").because(error))?
    }
}

#[async_trait]
impl Inbox for SqliteInbox {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let bound = self.options.quarantine;
        self.writer.call(Effect::MakesWork, move |batch| record::record(batch, &delivery, bound)).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| claim::claim(batch.connection, now, request)).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| claim::renew(batch.connection, &leases, until)).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.writer.call(Effect::MakesWork, move |batch| settle::settle(batch.connection, now, &settlements)).await
    }

    async fn wait_for_work(&self) {
        self.writer.work().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        let write = |batch: &mut Batch<'_>| {
            batch.connection.prepare_cached("UPDATE onramp_probe SET writes = writes + 1")?.execute([]).map(drop)
        };
        self.writer.call(Effect::Quiet, write).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
        self.read(move |connection| look::list(connection, &filter)).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.read(move |connection| look::show(connection, id)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.read(look::counts).await
    }

    async fn rearm(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        self.writer.call(Effect::MakesWork, move |batch| rearm::rearm(batch, id, seen, reread.as_ref())).await?
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| prune::prune(batch.connection, now, retention)).await
    }
}

impl fmt::Debug for SqliteInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteInbox").field("path", &self.options.path).finish_non_exhaustive()
    }
}

//! The inbox, over the writing thread and a reading connection.

mod claim;
mod filter;
pub(crate) mod history;
mod prune;
pub(crate) mod query;
mod queue;
mod record;
mod requeue;
mod resolve;
mod restore;
mod settle;
mod space;
mod state;
pub(crate) mod task;
mod transaction;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, HistoryEntry, Inbox, Lease, NewDelivery, Page, Record, Recorded, Replayed,
    Requeue, Restored, Retention, Settlement, Space, TaskState,
};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::Connection;

pub use self::transaction::{CallError, SqliteTransaction};
use crate::db::{Batch, Effect, Writer, failed};
use crate::{SqliteIdempotencyStore, SqliteOptions, SqlitePurchaseStore};

/// An [`Inbox`] in one SQLite file.
///
/// Any number of inboxes, in any number of processes on one machine, may share a file, and an application may keep its own tables in it.
/// A call that writes returns after the commit that holds it has reached the disk. Cheap to clone; clones share their thread. The last
/// clone that is dropped closes the file as [`close`](Self::close) does, and blocks until then.
#[derive(Clone)]
pub struct SqliteInbox {
    options: Arc<SqliteOptions>,
    // Dropped before the writer, so that the writer's connection is the last one.
    reader: Arc<Mutex<Option<Connection>>>,
    writer: Writer,
}

impl SqliteInbox {
    /// Opens the inbox in the file at `path`, and creates the file if it is missing.
    ///
    /// # Errors
    /// Returns the errors of [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path).open().await
    }

    pub(crate) async fn start(options: SqliteOptions) -> Result<Self, StoreError> {
        let writer = Writer::start(options.file.clone()).await?;
        Ok(Self { options: Arc::new(options), writer, reader: Arc::default() })
    }

    /// Returns a store of idempotency keys in the same file. It shares the inbox's thread and commits, and outlives the inbox.
    #[must_use]
    pub fn idempotency_store(&self) -> SqliteIdempotencyStore {
        SqliteIdempotencyStore::sharing(Arc::clone(&self.options), self.writer.clone())
    }

    /// Returns a store of purchases in the same file. It shares the inbox's thread and commits, and outlives the inbox.
    #[must_use]
    pub fn purchases(&self) -> SqlitePurchaseStore {
        SqlitePurchaseStore::sharing(Arc::clone(&self.options), self.writer.clone())
    }

    /// Closes the file after the calls that are queued, for every clone and for the stores in the same file. Later calls fail with
    /// [`Closed`](StoreErrorKind::Closed). Call it at the end of a shutdown, after [`Worker::shutdown`](onramp_webhooks::Worker::shutdown).
    ///
    /// If no other process uses the file, the database file alone is complete afterwards, and a copy of it is a backup.
    ///
    /// # Errors
    /// Returns an error if the database file alone may be incomplete, because another process uses it or because one of the files was
    /// moved, deleted or replaced. The file is closed in any case, and nothing is lost as long as all its files are kept.
    pub async fn close(&self) -> Result<(), StoreError> {
        let close_reader = || drop(self.reader.lock().unwrap_or_else(PoisonError::into_inner).take());
        close_reader();
        let closed = self.writer.close().await;
        close_reader();
        closed
    }

    /// Runs `work` in one transaction on the writing thread, and returns when the commit is on the disk. Use it to create the
    /// application's own tables and to write to them; two connections that write to one file would wait for each other.
    ///
    /// Other writes, such as those of deliveries, wait while `work` runs. A transaction that is open for longer than
    /// [`SqliteOptions::longest_transaction`] is rolled back. `work` must not begin or end a transaction; it may use savepoints.
    ///
    /// If the future is dropped before it completes, the transaction may or may not be committed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.db");
    /// let inbox = onramp_webhooks_sqlite::SqliteInbox::open(&path).await?;
    /// inbox.call(|connection| connection.execute_batch("CREATE TABLE points (customer TEXT PRIMARY KEY, points INTEGER)")).await?;
    /// let rows = inbox.call(|connection| connection.execute("INSERT INTO points VALUES ('alice', 200)", [])).await?;
    /// assert_eq!(rows, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns a [`CallError`] if `work` or the transaction failed; then nothing was written. The one exception is a file that was moved
    /// during the commit: the error is [`Unavailable`](StoreErrorKind::Unavailable), and the write is in the moved file.
    ///
    /// # Panics
    /// Resumes a panic of `work`. The transaction is rolled back, and the thread continues.
    pub async fn call<T, W>(&self, work: W) -> Result<T, CallError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let mut transaction = self.transaction(self.options.longest_transaction);
        let value = transaction.call(work).await?;
        transaction.commit(|_| Ok(true)).await.map_err(CallError::Over)?;
        Ok(value)
    }

    /// Runs `query` on the reading connection, while the writing thread writes.
    async fn read<T, Q>(&self, query: Q) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (options, writer, reader) = (Arc::clone(&self.options), self.writer.clone(), Arc::clone(&self.reader));
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            writer.verify()?;
            // The connection is taken out, so that after a failure the next call opens a new one.
            let connection = reader.take().map_or_else(|| options.file.reader(), Ok)?;
            let result = query(&connection).map_err(failed("read the database"))?;
            writer.verify()?;
            *reader = Some(connection);
            Ok(result)
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
        self.writer.call(Effect::Quiet, move |batch| claim::claim(batch.connection, now, &request)).await
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

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.read(move |connection| query::list(connection, &filter)).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.read(move |connection| query::show(connection, id)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.read(query::counts).await
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        self.read(query::open_counts).await
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        let note = note.to_owned();
        self.writer.call(Effect::Quiet, move |batch| resolve::resolve(batch.connection, now, id, &note)).await?
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        self.writer.call(Effect::Quiet, move |batch| resolve::reopen(batch.connection, now, id)).await?
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.read(move |connection| history::read(connection, id)).await
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        let operator = operator.to_owned();
        self.writer.call(Effect::Quiet, move |batch| history::revealed(batch.connection, now, id, &operator)).await?
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        self.writer.call(Effect::MakesWork, move |batch| restore::restore(batch, &deliveries)).await?
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        self.writer.call(Effect::MakesWork, move |batch| requeue::requeue(batch, &request)).await?
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| prune::prune(batch.connection, now, retention)).await
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        self.writer.call(Effect::Quiet, move |batch| prune::forget(batch.connection, id)).await?
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        let task = task.to_owned();
        self.read(move |connection| task::state(connection, &task)).await
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| task::set_state(batch.connection, &state)).await
    }

    async fn space(&self) -> Result<Option<Space>, StoreError> {
        let options = Arc::clone(&self.options);
        let reading = tokio::task::spawn_blocking(move || {
            let mut connection = options.file.reader()?;
            space::space(&mut connection, &options.file.path).map_err(failed("read the size of the tables"))
        });
        reading
            .await
            .map_err(|error| StoreError::new(StoreErrorKind::Unavailable, "read the size of the tables").because(error))?
    }
}

impl fmt::Debug for SqliteInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteInbox").field("path", &self.options.file.path).finish_non_exhaustive()
    }
}

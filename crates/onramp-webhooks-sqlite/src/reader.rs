//! The inbox for reading only.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, HistoryEntry, Inbox, Lease, NewDelivery, Page, Record, Recorded, Replayed,
    Requeue, Restored, Retention, Settlement, TaskState,
};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::Connection;

use crate::SqliteOptions;
use crate::db::{FileIdentity, Settings, failed};
use crate::inbox::{history, query, task};

const READ: &str = "read the database";

/// An [`Inbox`] in an SQLite file that is only read. Every call that would write fails with
/// [`ReadOnly`](StoreErrorKind::ReadOnly).
///
/// It reads what other processes write, holds up none of them, and also opens a file that this process may not write.
///
/// If the file is deleted, moved or replaced, every call that would read fails with [`Unavailable`](StoreErrorKind::Unavailable)
/// until the file is back.
#[derive(Clone)]
pub struct SqliteReader {
    path: PathBuf,
    file: Arc<FileIdentity>,
    connection: Arc<Mutex<Connection>>,
}

impl SqliteReader {
    pub(crate) async fn start(options: SqliteOptions) -> Result<Self, StoreError> {
        let path = options.file.path.clone();
        let opening = tokio::task::spawn_blocking(move || open(&options.file));
        let opened = opening.await.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, READ).because(error))?;
        let (connection, file) = opened?;
        Ok(Self { path, file: Arc::new(file), connection: Arc::new(Mutex::new(connection)) })
    }

    async fn read<T, Q>(&self, query: Q) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (connection, file) = (Arc::clone(&self.connection), Arc::clone(&self.file));
        let reading = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            // SQLite keeps reading a file that was deleted or replaced, to which nobody writes any more.
            file.verify_database()?;
            query(&connection).map_err(failed(READ))
        });
        reading.await.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, READ).because(error))?
    }
}

/// Opens the file, and remembers which one it was.
fn open(settings: &Settings) -> Result<(Connection, FileIdentity), StoreError> {
    let found = FileIdentity::of(&settings.path);
    let connection = settings.read_only()?;
    let file = found?;
    // Otherwise the connection may have another file, which was put there in between.
    file.verify_database()?;
    Ok((connection, file))
}

fn refused<T>(operation: &'static str) -> Result<T, StoreError> {
    Err(StoreError::new(StoreErrorKind::ReadOnly, operation).because("the file was opened for reading"))
}

#[async_trait]
impl Inbox for SqliteReader {
    async fn record(&self, _: NewDelivery) -> Result<Recorded, StoreError> {
        refused("record a delivery")
    }

    async fn claim(&self, _: Timestamp, _: ClaimRequest) -> Result<Claims, StoreError> {
        refused("claim deliveries")
    }

    async fn renew(&self, _: Vec<Lease>, _: Timestamp) -> Result<Vec<Lease>, StoreError> {
        refused("renew leases")
    }

    async fn settle(&self, _: Timestamp, _: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        refused("settle deliveries")
    }

    /// Waits for ever: no call of this object makes a delivery due.
    async fn wait_for_work(&self) {
        std::future::pending().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        refused("check the store")
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

    async fn resolve(&self, _: Timestamp, _: DeliveryId, _: &str) -> Result<(), StoreError> {
        refused("resolve a delivery")
    }

    async fn reopen(&self, _: Timestamp, _: DeliveryId) -> Result<(), StoreError> {
        refused("reopen a delivery")
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.read(move |connection| history::read(connection, id)).await
    }

    async fn revealed(&self, _: Timestamp, _: DeliveryId, _: &str) -> Result<(), StoreError> {
        refused("record a reveal")
    }

    async fn restore(&self, _: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        refused("restore deliveries")
    }

    async fn requeue(&self, _: Requeue) -> Result<Replayed, StoreError> {
        refused("requeue a delivery")
    }

    async fn prune(&self, _: Timestamp, _: Retention) -> Result<u64, StoreError> {
        refused("prune deliveries")
    }

    async fn forget(&self, _: DeliveryId) -> Result<(), StoreError> {
        refused("forget a delivery")
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        let task = task.to_owned();
        self.read(move |connection| task::state(connection, &task)).await
    }

    async fn set_task_state(&self, _: TaskState) -> Result<bool, StoreError> {
        refused("store the state of a task")
    }
}

impl fmt::Debug for SqliteReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReader").field("path", &self.path).finish_non_exhaustive()
    }
}

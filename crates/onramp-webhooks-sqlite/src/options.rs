//! Opening the file with the settings that the promises rest on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use onramp_webhooks::inbox::QuarantineBound;
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::failed;
use crate::migrations::Purpose;
use crate::{SqliteIdempotencyStore, SqliteInbox, SqliteSpill, SqliteStartedPurchases};

/// How to open a [`SqliteInbox`], a [`SqliteIdempotencyStore`], a [`SqliteStartedPurchases`] or a [`SqliteSpill`].
///
/// ```no_run
/// # async fn open() -> Result<(), onramp_webhooks::StoreError> {
/// use std::time::Duration;
/// use onramp_webhooks_sqlite::SqliteOptions;
///
/// let inbox = SqliteOptions::new("shop.db").busy_timeout(Duration::from_secs(1)).open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) busy_timeout: Duration,
    pub(crate) quarantine: QuarantineBound,
    pub(crate) largest: Option<u64>,
    pub(crate) longest_transaction: Duration,
    pub(crate) purpose: Purpose,
}

impl SqliteOptions {
    /// The file at `path`, which is made when it is missing; its folder has to exist.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            busy_timeout: Duration::from_millis(2_500),
            quarantine: QuarantineBound::default(),
            largest: None,
            longest_transaction: Duration::from_secs(1),
            purpose: Purpose::Inbox,
        }
    }

    /// How long to wait for another process that holds the file before a call fails. Default 2.5 s, which leaves the receiver
    /// time to answer before its ack deadline.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How much junk to keep. Default: 1 000 deliveries with 64 MiB.
    #[must_use]
    pub fn quarantine(mut self, bound: QuarantineBound) -> Self {
        self.quarantine = bound;
        self
    }

    /// The size that the file must not exceed, in bytes; then nothing more is recorded, and nothing acknowledged. Default: as
    /// large as the disk allows.
    #[must_use]
    pub fn largest_file(mut self, bytes: u64) -> Self {
        self.largest = Some(bytes);
        self
    }

    /// How long a [`TransactionalHandler`](onramp_webhooks::TransactionalHandler) may keep its transaction open, while nothing else is
    /// written: not the receiver's deliveries either, whose ack deadline this must stay well below. Default 1 s.
    #[must_use]
    pub fn longest_transaction(mut self, limit: Duration) -> Self {
        self.longest_transaction = limit;
        self
    }

    /// Opens the inbox.
    ///
    /// # Errors
    /// When the file cannot be opened, written or migrated, is no SQLite database, or was written by a newer version.
    pub async fn open(self) -> Result<SqliteInbox, StoreError> {
        SqliteInbox::start(self).await
    }

    /// Opens a store of idempotency keys alone. Where the same process has an inbox in the file,
    /// [`SqliteInbox::idempotency_store`] is better: two threads that write to one file wait for each other.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_idempotency_store(self) -> Result<SqliteIdempotencyStore, StoreError> {
        SqliteIdempotencyStore::start(self).await
    }

    /// Opens a store of started purchases alone. Where the same process has an inbox in the file,
    /// [`SqliteInbox::started_purchases`] is better.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_started_purchases(self) -> Result<SqliteStartedPurchases, StoreError> {
        SqliteStartedPurchases::begin(self).await
    }

    /// Opens a spill, in a file of its own. It decides nothing about junk, so the bound of the quarantine is the first inbox's.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Unusable`](StoreErrorKind::Unusable) when the file is an inbox, or a database of something else.
    pub async fn open_spill(self) -> Result<SqliteSpill, StoreError> {
        SqliteSpill::start(self).await
    }

    /// The connection that writes.
    pub(crate) fn writer(&self) -> Result<Connection, StoreError> {
        let connection = Connection::open(&self.path).map_err(failed("open the database"))?;
        // SQLite opens what it may not write for reading, and says so only at the first write.
        if connection.is_readonly("main").map_err(failed("open the database"))? {
            let error = StoreError::new(StoreErrorKind::ReadOnly, "open the database");
            return Err(error.because("this process may not write the file or its folder"));
        }
        connection.busy_timeout(self.busy_timeout).map_err(failed("open the database"))?;
        connection.set_prepared_statement_cache_capacity(64);
        let mode = self.switch_to_wal(&connection).map_err(failed("switch the database to write-ahead logging"))?;
        if mode != "wal" {
            return Err(StoreError::new(StoreErrorKind::Unusable, "switch the database to write-ahead logging")
                .because(format!("this file stays in journal mode {mode:?}; it has to be on a local disk")));
        }
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -8000; PRAGMA journal_size_limit = 67108864;")
            .map_err(failed("open the database"))?;
        if let Some(largest) = self.largest {
            let page: u64 = connection
                .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
                .map_err(failed("open the database"))?
                .unsigned_abs();
            connection
                .execute_batch(&format!("PRAGMA max_page_count = {}", (largest / page.max(1)).max(1)))
                .map_err(failed("open the database"))?;
        }
        Ok(connection)
    }

    /// SQLite itself does not wait here when several open a new file at the same moment.
    fn switch_to_wal(&self, connection: &Connection) -> rusqlite::Result<String> {
        let deadline = Instant::now() + self.busy_timeout;
        loop {
            match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                mode => return mode,
            }
        }
    }

    /// A connection that reads beside the writer.
    pub(crate) fn reader(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed("open the database for reading"))?;
        connection.busy_timeout(self.busy_timeout).map_err(failed("open the database for reading"))?;
        connection
            .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2000;")
            .map_err(failed("open the database for reading"))?;
        Ok(connection)
    }
}

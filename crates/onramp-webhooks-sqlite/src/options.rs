//! Options for opening the inbox and the other stores.

use std::path::Path;
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::QuarantineBound;

use crate::db::{Purpose, Settings};
use crate::{SqliteIdempotencyStore, SqliteInbox, SqlitePurchaseStore, SqliteReader, SqliteSpill};

/// Options for opening a [`SqliteInbox`], a [`SqliteIdempotencyStore`], a [`SqlitePurchaseStore`] or a [`SqliteSpill`].
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
    pub(crate) file: Settings,
    pub(crate) quarantine: QuarantineBound,
    pub(crate) longest_transaction: Duration,
}

impl SqliteOptions {
    /// Returns the default options for the file at `path`. The file is created if it is missing; its folder must exist.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        let file = Settings {
            path: path.as_ref().to_owned(),
            busy_timeout: Duration::from_millis(2_500),
            largest: None,
            purpose: Purpose::Inbox,
            must_exist: false,
        };
        Self { file, quarantine: QuarantineBound::default(), longest_transaction: Duration::from_secs(1) }
    }

    /// Refuses to create or migrate anything, for tools that look at the file of another program.
    #[must_use]
    pub const fn must_exist(mut self) -> Self {
        self.file.must_exist = true;
        self
    }

    /// Sets how long a call waits for another process that has locked the file. The default is 2.5 s, which leaves the receiver time to
    /// respond before its ack deadline.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.file.busy_timeout = timeout;
        self
    }

    /// Sets the bound on quarantined noise. The default is 1 000 deliveries with 64 MiB.
    #[must_use]
    pub fn quarantine(mut self, bound: QuarantineBound) -> Self {
        self.quarantine = bound;
        self
    }

    /// Sets the maximum size of the file in bytes. A full file records and acknowledges no more deliveries. By default, only the disk
    /// limits the size.
    #[must_use]
    pub fn largest_file(mut self, bytes: u64) -> Self {
        self.file.largest = Some(bytes);
        self
    }

    /// Sets the time that a transaction of a [`TransactionalHandler`](onramp_webhooks::TransactionalHandler) or of
    /// [`SqliteInbox::call`] may stay open. Nothing else is written during that time, including deliveries, so the limit must stay well
    /// below the receiver's ack deadline. The default is 1 s.
    #[must_use]
    pub fn longest_transaction(mut self, limit: Duration) -> Self {
        self.longest_transaction = limit;
        self
    }

    /// Opens the inbox.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened, written or migrated, is not an SQLite database, or is too new.
    pub async fn open(self) -> Result<SqliteInbox, StoreError> {
        SqliteInbox::start(self).await
    }

    /// Opens an inbox that exists for reading only, in a process that does not write it, or may not. Neither creates nor migrates anything, and
    /// holds up no other process.
    ///
    /// # Errors
    /// Returns an error if the file is missing or cannot be read, is no inbox, or is too old or too new.
    pub async fn open_reader(self) -> Result<SqliteReader, StoreError> {
        SqliteReader::start(self).await
    }

    /// Opens a store of idempotency keys without an inbox. If the process has an inbox in the same file, use
    /// [`SqliteInbox::idempotency_store`] instead, because two threads that write to one file wait for each other.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open).
    pub async fn open_idempotency_store(self) -> Result<SqliteIdempotencyStore, StoreError> {
        SqliteIdempotencyStore::start(self).await
    }

    /// Opens a store of purchases without an inbox. If the process has an inbox in the same file, use [`SqliteInbox::purchases`] instead.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open).
    pub async fn open_purchases(self) -> Result<SqlitePurchaseStore, StoreError> {
        SqlitePurchaseStore::open_with(self).await
    }

    /// Opens a spill, which needs a separate file. The bound on quarantined noise is that of the primary inbox.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open), and [`Unusable`](onramp_webhooks::StoreErrorKind::Unusable) if the file is an inbox or
    /// another application's database.
    pub async fn open_spill(self) -> Result<SqliteSpill, StoreError> {
        SqliteSpill::start(self).await
    }
}

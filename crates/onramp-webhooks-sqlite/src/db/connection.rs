//! Connections with the settings that the guarantees require.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::busy::{wait, wait_at_most};
use super::error::failed;
use super::file_id::FileIdentity;
use super::guard;
use super::migrations::{Purpose, migrate, require};
use super::permissions::restrict;
use super::progress::uri as immutable;

const OPEN: &str = "open the database";
const OPEN_FOR_READING: &str = "open the database for reading";
const SWITCH_TO_WAL: &str = "switch the database to write-ahead logging";
const PRAGMAS: &str = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA cache_size = -8000;
    PRAGMA journal_size_limit = 67108864;";

/// The file, and how to use it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) busy_timeout: Duration,
    /// The maximum size of the file in bytes.
    pub(crate) largest: Option<u64>,
    pub(crate) purpose: Purpose,
    /// Set if nothing is created or migrated.
    pub(crate) must_exist: bool,
}

impl Settings {
    /// Opens the connection that writes, creates the file if it is missing, and migrates it, unless it must exist.
    pub(super) fn create_writer(&self) -> Result<(Connection, FileIdentity), StoreError> {
        let create = if self.must_exist { OpenFlags::empty() } else { OpenFlags::SQLITE_OPEN_CREATE };
        let connection = Connection::open_with_flags(&self.path, flags() | create).map_err(failed(OPEN))?;
        let file = FileIdentity::of(&self.path)?;
        let connection = self.writer(connection)?;
        file.remember_log()?;
        Ok((connection, file))
    }

    /// Opens the connection that writes to an existing file.
    pub(super) fn reopen_writer(&self) -> Result<Connection, StoreError> {
        self.writer(Connection::open_with_flags(&self.path, flags()).map_err(failed(OPEN))?)
    }

    fn writer(&self, mut connection: Connection) -> Result<Connection, StoreError> {
        reject_read_only(&connection)?;
        if self.must_exist {
            require(&connection, self.purpose)?;
        }
        restrict(&self.path);
        wait_at_most(self.busy_timeout);
        connection.busy_handler(Some(wait as fn(i32) -> bool)).map_err(failed(OPEN))?;
        connection.set_prepared_statement_cache_capacity(64);
        // Otherwise SQLite compares parameters with the conditions of partial indexes, and prepares a statement again for every value.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed(OPEN))?;
        self.switch_to_wal(&connection)?;
        connection.execute_batch(PRAGMAS).map_err(failed(OPEN))?;
        if let Some(largest) = self.largest {
            limit_size(&connection, largest).map_err(failed(OPEN))?;
        }
        migrate(&mut connection, self.purpose)?;
        guard::install(&mut connection).map_err(failed(OPEN))?;
        Ok(connection)
    }

    fn switch_to_wal(&self, connection: &Connection) -> Result<(), StoreError> {
        let mode = self.journal_mode(connection).map_err(failed(SWITCH_TO_WAL))?;
        if mode == "wal" {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Unusable, SWITCH_TO_WAL)
            .because(format!("the file stays in journal mode {mode:?}; it has to be on a local disk")))
    }

    /// Retries, because SQLite itself does not wait here when several connections open a new file at the same moment.
    fn journal_mode(&self, connection: &Connection) -> rusqlite::Result<String> {
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

    /// Opens a connection that only reads, for a process that has no writing thread, or that may not write.
    pub(crate) fn read_only(&self) -> Result<Connection, StoreError> {
        let open = |name: &std::path::Path| {
            let connection = Connection::open_with_flags(name, read_only_flags())?;
            connection.busy_timeout(self.busy_timeout)?;
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))?;
            Ok(connection)
        };
        let connection = match open(&self.path) {
            // The files beside the database cannot be created. Without a log, the database alone is complete.
            Err(error) if needs_files(&error) && !self.has_log() => open(std::path::Path::new(&immutable(&self.path))),
            opened => opened,
        };
        let connection = connection.map_err(failed(OPEN_FOR_READING))?;
        require(&connection, self.purpose)?;
        Ok(connection)
    }

    fn has_log(&self) -> bool {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
    }

    /// Opens a connection that reads while the writing thread writes.
    pub(crate) fn reader(&self) -> Result<Connection, StoreError> {
        let connection = Connection::open_with_flags(&self.path, flags()).map_err(failed(OPEN_FOR_READING))?;
        connection.busy_timeout(self.busy_timeout).map_err(failed(OPEN_FOR_READING))?;
        // Only the writer knows whether the log is still the right one.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed(OPEN_FOR_READING))?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2000;").map_err(failed(OPEN_FOR_READING))?;
        Ok(connection)
    }
}

fn needs_files(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn read_only_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI
}

/// SQLite opens a file without write permission for reading, and fails only at the first write.
fn reject_read_only(connection: &Connection) -> Result<(), StoreError> {
    if !connection.is_readonly("main").map_err(failed(OPEN))? {
        return Ok(());
    }
    Err(StoreError::new(StoreErrorKind::ReadOnly, OPEN).because("this process has no permission to write the file or its folder"))
}

fn limit_size(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = (bytes / page.unsigned_abs().max(1)).max(1);
    connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"))
}

//! Checkpoints: they copy the log into the database file.

use std::time::Duration;

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::busy::waiting_at_most;
use super::error::failed;
use super::file_id::FileIdentity;

const CLOSE: &str = "close the database";

/// The maximum time for which a closing connection waits for other processes.
const PATIENCE: Duration = Duration::from_millis(500);

/// The state of the log after a checkpoint.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// The log stays as it is.
    Full,
    /// The log is empty.
    Truncate,
}

/// Copies the log into the database file after one of the two was lost. Does nothing if another process may have begun a log of its own.
pub(super) fn rescue(connection: &Connection, file: &FileIdentity) -> Result<(), StoreError> {
    if !file.has_only_log() {
        return Err(failed_to("save the log", "it may not be the only one, or not belong to the database file"));
    }
    checkpoint(connection, Mode::Full, "save the log")
}

/// Closes a connection. If no other process uses the file, the database file alone is complete afterwards.
pub(super) fn close(connection: Connection, file: &FileIdentity) -> Result<(), StoreError> {
    let copied = waiting_at_most(PATIENCE, || match file.verify() {
        Ok(_) => checkpoint(&connection, Mode::Truncate, CLOSE),
        Err(gone) => rescue(&connection, file).and(Err(gone)),
    });
    if !file.has_only_log() {
        // Closing must not copy pages of one log by the index of another.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed(CLOSE))?;
    }
    connection.close().map_err(|(_, error)| failed(CLOSE)(error))?;
    copied
}

fn checkpoint(connection: &Connection, mode: Mode, context: &'static str) -> Result<(), StoreError> {
    let pragma = match mode {
        Mode::Full => "PRAGMA wal_checkpoint(FULL)",
        Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let is_busy: bool = connection.query_row(pragma, [], |row| row.get(0)).map_err(failed(context))?;
    if is_busy { Err(failed_to(context, "another process uses the log, which stays beside the database file")) } else { Ok(()) }
}

fn failed_to(context: &'static str, why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, context).because(why)
}

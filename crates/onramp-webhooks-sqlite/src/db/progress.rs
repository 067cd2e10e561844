//! The progress of the database file, without its log.
//!
//! A checkpoint moves the file forward in the history of the database. A file that goes back was overwritten, as by a restored backup.
//! SQLite does not notice that: it continues with a log that belongs to another state of the file.

use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrations::Purpose;

/// The time between two writes of the mark by this process.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// The mark that was last seen in the file: a number that only grows.
#[derive(Debug)]
pub(super) struct Progress {
    purpose: Purpose,
    seen: Option<i64>,
    stamp: Option<(u64, SystemTime)>,
    marked: Option<Instant>,
}

impl Progress {
    pub(super) const fn new(purpose: Purpose) -> Self {
        Self { purpose, seen: None, stamp: None, marked: None }
    }

    /// Moves the mark on in a transaction, from time to time.
    pub(super) fn mark(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.marked.is_some_and(|marked| marked.elapsed() < MARK_EVERY) {
            return Ok(());
        }
        let mark = format!("UPDATE {} SET writes = writes + 1", self.purpose.probe());
        connection.prepare_cached(&mark)?.execute([])?;
        self.marked = Some(Instant::now());
        Ok(())
    }

    /// Returns whether the file at `path` has gone back, or holds something else. Reads it only after it was written.
    pub(super) fn is_lost(&mut self, path: &Path, file: &Metadata) -> bool {
        let stamp = file.modified().ok().map(|modified| (file.len(), modified));
        if stamp.is_none() || stamp == self.stamp {
            return false;
        }
        match (self.mark_in(path), self.seen) {
            (Ok(mark), Some(seen)) if mark < seen => return true,
            (Ok(mark), _) => self.seen = Some(mark),
            // Before its first checkpoint, the file is empty without its log.
            (Err(_), None) => {}
            (Err(error), Some(_)) if is_of_another_file(&error) => return true,
            // The middle of a checkpoint. The next call reads the file again.
            (Err(_), Some(_)) => return false,
        }
        self.stamp = stamp;
        false
    }

    /// Reads the mark in the file alone: an immutable database has no log.
    fn mark_in(&self, path: &Path) -> rusqlite::Result<i64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let alone = Connection::open_with_flags(uri(path), flags)?;
        alone.query_row(&format!("SELECT writes FROM {}", self.purpose.probe()), [], |row| row.get(0))
    }
}

fn is_of_another_file(error: &rusqlite::Error) -> bool {
    // The general error is that of a missing table.
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::Unknown))
}

/// Returns the name of a database that no process writes, and that has no log.
pub(super) fn uri(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

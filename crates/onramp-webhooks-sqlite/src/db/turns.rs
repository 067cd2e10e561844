//! Turns of the processes that write to one file.
//!
//! SQLite's lock is not fair: a process that begins its next transaction at once takes the lock again before any other notices that it was
//! free.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::busy::STEP;

/// The pause after a commit. One who waits tries at least once in this time.
const PAUSE: Duration = STEP.saturating_mul(2);

/// The time for which a process counts as writing after its last commit.
const RECENT: Duration = Duration::from_secs(1);

/// The commits of others, as far as they were noticed.
#[derive(Debug, Default)]
pub(super) struct Turns {
    version: Option<i64>,
    others_wrote: Option<Instant>,
}

impl Turns {
    /// Notices commits of other connections, in an open transaction: outside of one, this would lock the log once more.
    pub(super) fn begin(&mut self, transaction: &Connection) -> rusqlite::Result<()> {
        let version = transaction.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version.replace(version).is_some_and(|before| before != version) {
            self.others_wrote = Some(Instant::now());
        }
        Ok(())
    }

    /// Leaves the lock to others for a moment after a commit, if there are any.
    pub(super) fn end(&self) {
        if self.others_wrote.is_some_and(|wrote| wrote.elapsed() < RECENT) {
            std::thread::sleep(PAUSE);
        }
    }
}

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
    /// Leaves the lock to others for a moment after a commit, if there are any.
    pub(super) fn end(&mut self, connection: &Connection) {
        if self.has_others(connection) {
            std::thread::sleep(PAUSE);
        }
    }

    /// Returns whether another connection has committed recently.
    fn has_others(&mut self, connection: &Connection) -> bool {
        let version =
            connection.prepare_cached("PRAGMA data_version").and_then(|mut version| version.query_row([], |row| row.get(0)));
        // If it cannot be read, the next transaction tells why.
        let Ok(version) = version else { return false };
        if self.version.replace(version).is_some_and(|before| before != version) {
            self.others_wrote = Some(Instant::now());
        }
        self.others_wrote.is_some_and(|wrote| wrote.elapsed() < RECENT)
    }
}

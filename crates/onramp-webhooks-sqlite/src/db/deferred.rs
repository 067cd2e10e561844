//! Deferred constraints of the application, which SQLite checks only at a commit.

use rusqlite::Connection;

const EXIST: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE sql LIKE '%deferred%')
     OR EXISTS (SELECT 1 FROM sqlite_temp_schema WHERE sql LIKE '%deferred%')";

/// The deferred constraints in the schema.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    /// The version of the schema that was read.
    version: Option<i64>,
    exist: bool,
}

impl Deferred {
    /// Returns whether the schema may contain deferred constraints. Reads it only after a change.
    pub(super) fn may_exist(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let version = connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        if self.version != Some(version) {
            self.exist = connection.query_row(EXIST, [], |row| row.get(0))?;
            self.version = Some(version);
        }
        Ok(self.exist)
    }

    /// Lets the schema be read again: that of temporary tables has no version.
    pub(super) const fn forget(&mut self) {
        self.version = None;
    }
}

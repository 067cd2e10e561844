//! What is in a shop's database file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::wait::until;

/// A connection to a shop's database file, beside the shop's own.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

impl Database {
    /// Opens a file that is there.
    #[must_use]
    pub fn open(file: &Path) -> Self {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        Self { connection }
    }

    /// The ids of the deliveries that are handled for good.
    #[must_use]
    pub fn completed(&self) -> BTreeSet<String> {
        self.texts("SELECT CAST(id AS TEXT) FROM onramp_deliveries WHERE state = 4").into_iter().collect()
    }

    /// How many deliveries are there.
    #[must_use]
    pub fn deliveries(&self) -> usize {
        self.number("SELECT count(*) FROM onramp_deliveries")
    }

    /// How many deliveries are in conflict with an earlier one.
    #[must_use]
    pub fn conflicts(&self) -> usize {
        self.number("SELECT count(*) FROM onramp_deliveries WHERE state = 7")
    }

    /// How many deliveries could not be read.
    #[must_use]
    pub fn quarantined(&self) -> usize {
        self.number("SELECT count(*) FROM onramp_deliveries WHERE state = 6")
    }

    /// How many deliveries still have to be handled.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.number("SELECT count(*) FROM onramp_deliveries WHERE due_at IS NOT NULL")
    }

    /// Waits until nothing is left to be handled.
    pub async fn settled(&self) {
        until("every delivery is settled", async || self.waiting() == 0).await;
    }

    /// All customers' points.
    #[must_use]
    pub fn points(&self) -> BTreeMap<String, String> {
        let mut points = self.connection.prepare("SELECT customer, points FROM points").unwrap();
        points.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Changes something.
    pub fn execute(&self, statements: &str) {
        self.connection.execute_batch(statements).unwrap();
    }

    fn texts(&self, query: &str) -> Vec<String> {
        let mut rows = self.connection.prepare(query).unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn number(&self, query: &str) -> usize {
        let number: i64 = self.connection.query_row(query, [], |row| row.get(0)).unwrap();
        usize::try_from(number).unwrap()
    }
}

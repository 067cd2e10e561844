//! The contents of a shop's database.

mod postgres;
mod sqlite;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use onramp_webhooks::event::BigDecimal;
use rusqlite::Connection;

pub(crate) use self::postgres::OwnDatabase;
use crate::wait::until;

/// A separate connection to a shop's database.
#[derive(Debug)]
pub struct Database(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(Connection),
    Postgres(OwnDatabase),
}

impl Database {
    /// Opens an existing file.
    #[must_use]
    pub fn file(file: &Path) -> Self {
        Self(Kind::Sqlite(sqlite::connect(file)))
    }

    pub(crate) fn postgres(database: &OwnDatabase) -> Self {
        Self(Kind::Postgres(database.clone()))
    }

    /// Returns the ids of the handled deliveries.
    #[must_use]
    pub fn completed(&self) -> BTreeSet<String> {
        let rows = self.rows("SELECT CAST(id AS TEXT) FROM {deliveries} WHERE state = 4");
        rows.into_iter().flatten().collect()
    }

    /// Returns the ids in the keys of dead letters that a process was killed with several times.
    #[must_use]
    pub fn killed(&self) -> BTreeSet<String> {
        let subjects = self.rows("SELECT subject FROM {deliveries} WHERE state = 5 AND cause = 4");
        subjects.iter().filter_map(|subject| Some(subject[0].rsplit_once('/')?.1.to_owned())).collect()
    }

    /// Counts all deliveries.
    #[must_use]
    pub fn deliveries(&self) -> usize {
        self.count("true")
    }

    /// Counts the conflicts.
    #[must_use]
    pub fn conflicts(&self) -> usize {
        self.count("state = 7")
    }

    /// Counts the deliveries that still have to be handled.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.count("state IN (0, 1, 2, 3)")
    }

    /// Counts the deliveries that a worker has to handle now or soon: all that wait, except parked ones.
    #[must_use]
    pub fn unhandled(&self) -> usize {
        self.count("state IN (0, 1, 2)")
    }

    /// Counts the deliveries by the stored number of their state.
    #[must_use]
    pub fn states(&self) -> Vec<(u8, usize)> {
        let rows =
            self.rows("SELECT CAST(state AS TEXT), CAST(count(*) AS TEXT) FROM {deliveries} GROUP BY state ORDER BY state");
        rows.iter().map(|row| (row[0].parse().unwrap(), row[1].parse().unwrap())).collect()
    }

    /// Returns the number of claims of the last delivery.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.rows("SELECT CAST(fence AS TEXT) FROM {deliveries} ORDER BY id DESC LIMIT 1")[0][0].parse().unwrap()
    }

    /// Returns whether a connection waits for a lock on the server.
    #[must_use]
    pub fn is_anyone_waiting(&self) -> bool {
        let waiting = "SELECT pid::text FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        !self.rows(waiting).is_empty()
    }

    /// Waits until all deliveries are settled.
    pub async fn settled(&self) {
        until("every delivery is settled", async || self.waiting() == 0).await;
    }

    /// Returns the points of all customers. On a server, the shop makes their table when it needs it first.
    #[must_use]
    pub fn points(&self) -> BTreeMap<String, String> {
        let has_table = match &self.0 {
            Kind::Sqlite(_) => true,
            Kind::Postgres(_) => {
                self.rows("SELECT to_regclass('points')::text WHERE to_regclass('points') IS NOT NULL").len() == 1
            }
        };
        let rows = if has_table { self.rows("SELECT customer, CAST(points AS TEXT) FROM points") } else { Vec::new() };
        let plain = |points: &String| points.parse::<BigDecimal>().unwrap().normalized().to_plain_string();
        rows.iter().map(|row| (row[0].clone(), plain(&row[1]))).collect()
    }

    /// Asserts that no page of the file is damaged.
    pub fn assert_intact(&self) {
        assert_eq!(self.rows("PRAGMA integrity_check"), [["ok"]]);
    }

    /// Makes every credit of points fail.
    pub fn break_points(&self) {
        match &self.0 {
            Kind::Sqlite(_) => {
                self.execute("CREATE TRIGGER broken BEFORE INSERT ON points BEGIN SELECT raise(ABORT, 'broken for a while'); END")
            }
            Kind::Postgres(_) => self.execute(
                "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN RAISE EXCEPTION ''broken for a while''; END';
                 CREATE TRIGGER broken BEFORE INSERT ON points FOR EACH ROW EXECUTE FUNCTION broken()",
            ),
        }
    }

    /// Reverts [`break_points`](Self::break_points).
    pub fn mend_points(&self) {
        match &self.0 {
            Kind::Sqlite(_) => self.execute("DROP TRIGGER broken"),
            Kind::Postgres(_) => self.execute("DROP FUNCTION broken CASCADE"),
        }
    }

    /// Runs statements, in which `{deliveries}` stands for the table of deliveries.
    pub fn execute(&self, statements: &str) {
        match &self.0 {
            Kind::Sqlite(connection) => connection.execute_batch(&self.named(statements)).unwrap(),
            Kind::Postgres(database) => database.execute(&self.named(statements)),
        }
    }

    fn named(&self, statements: &str) -> String {
        let deliveries = match &self.0 {
            Kind::Sqlite(_) => "onramp_deliveries",
            Kind::Postgres(_) => "onramp.deliveries",
        };
        statements.replace("{deliveries}", deliveries)
    }

    fn count(&self, condition: &str) -> usize {
        let rows = self.rows(&format!("SELECT CAST(count(*) AS TEXT) FROM {{deliveries}} WHERE {condition}"));
        rows[0][0].parse().unwrap()
    }

    fn rows(&self, query: &str) -> Vec<Vec<String>> {
        match &self.0 {
            Kind::Sqlite(connection) => sqlite::rows(connection, &self.named(query)),
            Kind::Postgres(database) => database.rows(&self.named(query)),
        }
    }
}

//! Points in the inbox's file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use onramp_webhooks::HandlerError;
use onramp_webhooks::event::BigDecimal;
use onramp_webhooks_sqlite::SqliteTransaction;
use onramp_webhooks_sqlite::rusqlite::{self, Connection, OpenFlags, OptionalExtension, params};
use tokio::task::spawn_blocking;

use super::{PointsError, number, plain};
use crate::credit::Credit;

/// Points are texts: SQLite's own numbers are floats.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS points (customer TEXT PRIMARY KEY, points TEXT NOT NULL) STRICT";

#[derive(Clone, Debug)]
pub(crate) struct SqlitePoints {
    file: Arc<Path>,
    reader: Arc<Mutex<Option<Connection>>>,
}

impl SqlitePoints {
    /// Opens the points in an inbox's file, which has to exist.
    pub(crate) fn open(file: PathBuf) -> Result<Self, PointsError> {
        let reader = connect(&file)?;
        Ok(Self { file: file.into(), reader: Arc::new(Mutex::new(Some(reader))) })
    }

    /// Credits points in the transaction that completes the delivery.
    pub(crate) async fn credit(&self, transaction: &mut SqliteTransaction, credit: Credit) -> Result<(), HandlerError> {
        let added = transaction.call(move |connection| match read(connection, &credit.customer)? {
            Ok(points) => write(connection, &credit.customer, &(points + credit.points)).map(Ok),
            Err(not_a_number) => Ok(Err(not_a_number)),
        });
        added.await??;
        Ok(())
    }

    pub(super) async fn of(&self, customer: &str) -> Result<BigDecimal, PointsError> {
        let (points, customer) = (self.clone(), customer.to_owned());
        spawn_blocking(move || points.read(&customer)).await?
    }

    /// Reads on a separate connection, which is replaced after an error.
    fn read(&self, customer: &str) -> Result<BigDecimal, PointsError> {
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match slot.take() {
            Some(connection) => connection,
            None => connect(&self.file)?,
        };
        let points = read(&connection, customer)??;
        *slot = Some(connection);
        Ok(points)
    }
}

/// Opens a connection. Does not create a missing file, because only the inbox creates it.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_millis(2_500))?;
    connection.execute_batch(TABLE)?;
    Ok(connection)
}

/// Reads the points as stored text, which is not necessarily a number.
fn read(connection: &Connection, customer: &str) -> rusqlite::Result<Result<BigDecimal, PointsError>> {
    let mut points = connection.prepare_cached("SELECT points FROM points WHERE customer = ?")?;
    points.query_row([customer], |row| row.get(0)).optional().map(number)
}

fn write(connection: &Connection, customer: &str, points: &BigDecimal) -> rusqlite::Result<()> {
    let mut write =
        connection.prepare_cached("INSERT INTO points VALUES (?, ?) ON CONFLICT DO UPDATE SET points = excluded.points")?;
    write.execute(params![customer, plain(points)]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Credits amounts to one customer, one after another, and returns the sum.
    fn sum(amounts: &[&str]) -> String {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        for amount in amounts {
            let points = read(&connection, "ada").unwrap().unwrap();
            write(&connection, "ada", &(points + amount.parse::<BigDecimal>().unwrap())).unwrap();
        }
        plain(&read(&connection, "ada").unwrap().unwrap())
    }

    #[test]
    fn sums_are_exact_and_plain() {
        for (amounts, exact) in [
            (&["100.00", "100.0"][..], "200"),
            (&["0.1", "0.2"], "0.3"),
            (&["1283.501"], "1283.501"),
            (&["1e3", "1E-2"], "1000.01"),
            (&["0.00"], "0"),
            (&["99999999999999999999999999.000000000000000001", "1"], "100000000000000000000000000.000000000000000001"),
            (&[], "0"),
        ] {
            assert_eq!(sum(amounts), exact);
        }
    }
}

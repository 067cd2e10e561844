//! The customers' points, in the database file of the inbox.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use onramp_webhooks::event::BigDecimal;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

/// Points are texts: SQLite's own numbers are floats.
const TABLES: &str = "
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS credits (key TEXT PRIMARY KEY, customer TEXT NOT NULL, points TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS points (customer TEXT PRIMARY KEY, points TEXT NOT NULL) STRICT;
";

/// Every customer's points. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Points {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    open: Mutex<Option<Open>>,
}

/// A connection, and which file it has open.
#[derive(Debug)]
struct Open {
    connection: Connection,
    id: Option<(u64, u64)>,
}

/// The points could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PointsError {
    /// The database failed.
    #[error("the points' database failed")]
    Database(#[from] rusqlite::Error),
    /// Somebody wrote something else there.
    #[error("the database holds points that are not a number: {0:?}")]
    NotANumber(String),
}

impl Points {
    /// The points in an inbox's file, which has to be there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(file: impl Into<PathBuf>) -> Result<Self, PointsError> {
        let points = Self { shared: Arc::new(Shared { file: file.into(), open: Mutex::default() }) };
        points.with(|_| Ok(()))?;
        Ok(points)
    }

    /// Adds `amount` to a customer's points, once for every `key`: answers `false`, and changes nothing, when that was done before.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing changed.
    pub fn credit(&self, key: &str, customer: &str, amount: &BigDecimal) -> Result<bool, PointsError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let new = transaction
                .prepare_cached("INSERT INTO credits VALUES (?, ?, ?) ON CONFLICT DO NOTHING")?
                .execute(params![key, customer, plain(amount)])?;
            if new > 0 {
                let sum = read(&transaction, customer)? + amount;
                write(&transaction, customer, &sum)?;
            }
            transaction.commit()?;
            Ok(new > 0)
        })
    }

    /// A customer's points; a stranger has none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(&self, customer: &str) -> Result<String, PointsError> {
        self.with(|connection| read(connection, customer)).map(|points| plain(&points))
    }

    /// Runs `work` on the open connection. A new one is opened after an error, and when the file was replaced.
    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, PointsError>) -> Result<T, PointsError> {
        let mut slot = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let id = file_id(&self.shared.file);
        let mut open = match slot.take().filter(|open| open.id == id) {
            Some(open) => open,
            None => Open { connection: connect(&self.shared.file)?, id },
        };
        let done = work(&mut open.connection)?;
        *slot = Some(open);
        Ok(done)
    }
}

/// Does not make a missing file: that is the inbox's.
fn connect(file: &Path) -> Result<Connection, PointsError> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_millis(2_500))?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

#[cfg(unix)]
fn file_id(file: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn file_id(_: &Path) -> Option<(u64, u64)> {
    None
}

fn read(connection: &Connection, customer: &str) -> Result<BigDecimal, PointsError> {
    let points: Option<String> = connection
        .prepare_cached("SELECT points FROM points WHERE customer = ?")?
        .query_row([customer], |row| row.get(0))
        .optional()?;
    points.map_or(Ok(BigDecimal::default()), |points| points.parse().map_err(|_| PointsError::NotANumber(points)))
}

fn write(transaction: &Transaction<'_>, customer: &str, points: &BigDecimal) -> Result<(), PointsError> {
    transaction
        .prepare_cached("INSERT INTO points VALUES (?, ?) ON CONFLICT DO UPDATE SET points = excluded.points")?
        .execute(params![customer, plain(points)])?;
    Ok(())
}

/// `200`, `1283.501`: no zeros at the end, no exponent.
fn plain(points: &BigDecimal) -> String {
    points.normalized().to_plain_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> (tempfile::TempDir, Points) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        Connection::open(&file).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
        (folder, Points::open(file).unwrap())
    }

    fn credit(points: &Points, key: &str, amount: &str) -> bool {
        points.credit(key, "ada", &amount.parse().unwrap()).unwrap()
    }

    #[test]
    fn sums_are_exact_and_plain() {
        for (amounts, sum) in [
            (&["100.00", "100.0"][..], "200"),
            (&["0.1", "0.2"], "0.3"),
            (&["1283.501"], "1283.501"),
            (&["1e3", "1E-2"], "1000.01"),
            (&["0.00"], "0"),
            (&["99999999999999999999999999.000000000000000001", "1"], "100000000000000000000000000.000000000000000001"),
        ] {
            let (_folder, points) = points();
            for (key, amount) in amounts.iter().enumerate() {
                assert!(credit(&points, &key.to_string(), amount));
            }
            assert_eq!(points.of("ada").unwrap(), sum);
        }
    }

    #[test]
    fn a_key_counts_once() {
        let (_folder, points) = points();
        assert!(credit(&points, "a", "5"));
        assert!(!credit(&points, "a", "5") && !credit(&points, "a", "7"));
        assert!(credit(&points, "b", "5"));
        assert_eq!(points.of("ada").unwrap(), "10");
        assert_eq!(points.of("a stranger").unwrap(), "0");
    }
}

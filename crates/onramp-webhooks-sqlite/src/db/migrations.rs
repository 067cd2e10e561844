//! Migrations of the schemas, in numbered steps. Released steps never change; new ones are added.
//!
//! Each step records the oldest version of the program that can use the schema after it. A program that is not older than that uses a
//! schema of a later version as it is.

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, TransactionBehavior};

use super::error::failed;

/// The purpose of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An inbox, idempotency keys, purchases, and the application's own tables.
    Inbox,
    /// A spill and nothing else. If an application also used the file, waiting for its lock could exceed the ack deadline.
    Spill,
}

/// A step of a schema. Its number is the version of the schema after it, and of the programs that know it.
#[derive(Clone, Copy, Debug)]
struct Step {
    sql: &'static str,
    /// The oldest version of the program that can use the schema after this step.
    oldest: i64,
}

const INBOX: [Step; 7] = [
    Step { sql: include_str!("migrations/0001_deliveries.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0002_idempotency.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0003_purchases.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0004_tasks.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0005_resolved.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0006_history.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0007_shared.sql"), oldest: 7 },
];
const SPILL: [Step; 1] = [Step { sql: include_str!("migrations/spill/0001_spill.sql"), oldest: 1 }];

impl Purpose {
    const fn steps(self) -> &'static [Step] {
        match self {
            Self::Inbox => &INBOX,
            Self::Spill => &SPILL,
        }
    }

    /// The table of completed steps, which also identifies the purpose of a file.
    const fn table(self) -> &'static str {
        match self {
            Self::Inbox => "onramp_schema",
            Self::Spill => "onramp_spill_schema",
        }
    }

    /// The table of one row whose `writes` only grows.
    pub(super) const fn probe(self) -> &'static str {
        match self {
            Self::Inbox => "onramp_probe",
            Self::Spill => "onramp_spill_probe",
        }
    }

    /// Returns the reason why a file cannot have this purpose.
    fn objection(self, connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
        let has = |table: &str| connection.table_exists(None, table);
        Ok(match self {
            Self::Inbox if has(Self::Spill.table())? => Some("the file is a spill and cannot also be an inbox"),
            Self::Spill if has(Self::Inbox.table())? => Some("the file is an inbox; a spill needs a file of its own"),
            Self::Spill if !has(self.table())? && !is_empty(connection)? => {
                Some("the file already holds something else; a spill needs a file of its own")
            }
            _ => None,
        })
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Migrates the schema to the newest version. If two processes do so at the same time, the second one finds an up-to-date schema.
pub(crate) fn migrate(connection: &mut Connection, purpose: Purpose) -> Result<(), StoreError> {
    let refusal = migrate_unless_refused(connection, purpose).map_err(failed("migrate"))?;
    refusal.map_or(Ok(()), |why| Err(StoreError::new(StoreErrorKind::Unusable, "migrate").because(why)))
}

/// Returns an error unless the file has a schema that needs no migration. Changes nothing.
pub(crate) fn require(connection: &Connection, purpose: Purpose) -> Result<(), StoreError> {
    let table = purpose.table();
    let newest = format!("SELECT coalesce(max(version), 0), coalesce(max(oldest), 0) FROM {table}");
    let known = i64::try_from(purpose.steps().len()).unwrap_or(i64::MAX);
    let (version, oldest): (i64, i64) = match connection.table_exists(None, table).map_err(failed("open the database"))? {
        true => connection.query_row(&newest, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed("open the database"))?,
        false => (0, 0),
    };
    let why = match version {
        _ if oldest > known => format!(
            "the file has schema version {version}, which is for a program of version {oldest} or newer, and this one has version {known}; \
             update the program"
        ),
        0 => "the file is no inbox".to_owned(),
        version if version < known => format!(
            "the file has schema version {version}, which this program would have to migrate; open it with the program that uses it first"
        ),
        _ => return Ok(()),
    };
    Err(StoreError::new(StoreErrorKind::Unusable, "open the database").because(why))
}

/// Migrates in one transaction, or returns the reason why the file cannot be used.
fn migrate_unless_refused(connection: &mut Connection, purpose: Purpose) -> rusqlite::Result<Option<String>> {
    let (steps, table) = (purpose.steps(), purpose.table());
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(objection) = purpose.objection(&transaction)? {
        return Ok(Some(objection.to_owned()));
    }
    let (version, oldest) = version(&transaction, table)?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if oldest > known {
        return Ok(Some(format!(
            "the file has schema version {version}, which is for a program of version {oldest} or newer, and this one has version {known}; \
             update the program, or restore a backup from before the migration"
        )));
    }
    for (number, step) in (1_i64..).zip(steps).filter(|(number, _)| *number > version) {
        transaction.execute_batch(step.sql)?;
        transaction.execute(&format!("INSERT INTO {table} (version, oldest) VALUES (?, ?)"), [number, step.oldest])?;
    }
    transaction.commit().map(|()| None)
}

/// Returns the version of the schema and the oldest version of the program that can use it. Both are zero in a new file.
fn version(connection: &Connection, table: &str) -> rusqlite::Result<(i64, i64)> {
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {table} (version INTEGER PRIMARY KEY, oldest INTEGER NOT NULL) STRICT"
    ))?;
    let newest = format!("SELECT coalesce(max(version), 0), coalesce(max(oldest), 0) FROM {table}");
    connection.query_row(&newest, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

//! Migrations of the schemas, in numbered steps. Released steps never change; new ones are added.

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

const INBOX: [&str; 3] = [
    include_str!("migrations/0001_deliveries.sql"),
    include_str!("migrations/0002_idempotency.sql"),
    include_str!("migrations/0003_purchases.sql"),
];
const SPILL: [&str; 1] = [include_str!("migrations/spill/0001_spill.sql")];

impl Purpose {
    const fn steps(self) -> &'static [&'static str] {
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

/// Migrates in one transaction, or returns the reason why the file cannot be used.
fn migrate_unless_refused(connection: &mut Connection, purpose: Purpose) -> rusqlite::Result<Option<String>> {
    let (steps, table) = (purpose.steps(), purpose.table());
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(objection) = purpose.objection(&transaction)? {
        return Ok(Some(objection.to_owned()));
    }
    let version = version(&transaction, table)?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if version > known {
        return Ok(Some(format!(
            "the file has schema version {version}, but this program only supports {known}; update the program"
        )));
    }
    for (number, step) in (1_i64..).zip(steps).filter(|(number, _)| *number > version) {
        transaction.execute_batch(step)?;
        transaction.execute(&format!("INSERT INTO {table} VALUES (?)"), [number])?;
    }
    transaction.commit().map(|()| None)
}

fn version(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} (version INTEGER PRIMARY KEY) STRICT"))?;
    connection.query_row(&format!("SELECT coalesce(max(version), 0) FROM {table}"), [], |row| row.get(0))
}

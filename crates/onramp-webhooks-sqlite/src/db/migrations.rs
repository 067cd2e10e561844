//! The schemas, each one numbered step after another. Steps are never changed once released; new ones are added.

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::failed;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An inbox, idempotency keys, started purchases, and whatever the application keeps beside them.
    Inbox,
    /// A spill, and nothing else: who waits for a lock of the application's cannot answer in time.
    Spill,
}

const INBOX: [&str; 3] = [
    include_str!("migrations/0001_deliveries.sql"),
    include_str!("migrations/0002_idempotency.sql"),
    include_str!("migrations/0003_started_purchases.sql"),
];
const SPILL: [&str; 1] = [include_str!("migrations/spill/0001_spill.sql")];

impl Purpose {
    const fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Inbox => &INBOX,
            Self::Spill => &SPILL,
        }
    }

    /// The table that knows which steps were taken, and that tells the files apart.
    const fn table(self) -> &'static str {
        match self {
            Self::Inbox => "onramp_schema",
            Self::Spill => "onramp_spill_schema",
        }
    }

    /// Why a file cannot be used for this; `None`: it can.
    fn objection(self, connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
        let has = |table: &str| connection.table_exists(None, table);
        Ok(match self {
            Self::Inbox if has(Self::Spill.table())? => Some("the file is a spill, and cannot be an inbox, too"),
            Self::Spill if has(Self::Inbox.table())? => Some("the file is an inbox; a spill needs a file of its own"),
            Self::Spill if !has(self.table())? && !is_empty(connection)? => {
                Some("the file is a database of something else; a spill needs a file of its own")
            }
            _ => None,
        })
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Brings the schema up to date. Two processes may do so at the same time: the second finds it done.
pub(crate) fn migrate(connection: &mut Connection, purpose: Purpose) -> Result<(), StoreError> {
    let (steps, table) = (purpose.steps(), purpose.table());
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let unusable = |why: String| StoreError::new(StoreErrorKind::Unusable, "migrate").because(why);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("migrate"))?;
    if let Some(objection) = purpose.objection(&transaction).map_err(failed("migrate"))? {
        return Err(unusable(objection.into()));
    }
    transaction
        .execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} (version INTEGER PRIMARY KEY) STRICT"))
        .map_err(failed("migrate"))?;
    let version: i64 = transaction
        .query_row(&format!("SELECT coalesce(max(version), 0) FROM {table}"), [], |row| row.get(0))
        .map_err(failed("migrate"))?;
    if version > known {
        return Err(unusable(format!(
            "the file has schema version {version}, and this version of the program knows {known}; update it"
        )));
    }
    for (number, step) in (1_i64..).zip(steps).filter(|(number, _)| *number > version) {
        transaction.execute_batch(step).map_err(failed("migrate"))?;
        transaction.execute(&format!("INSERT INTO {table} VALUES (?)"), [number]).map_err(failed("migrate"))?;
    }
    transaction.commit().map_err(failed("migrate"))
}

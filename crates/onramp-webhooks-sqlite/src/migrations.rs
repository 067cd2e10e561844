//! The schema, one numbered step after another. Steps are never changed once released; new ones are added.

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::failed;

const STEPS: [&str; 2] = [include_str!("migrations/0001_deliveries.sql"), include_str!("migrations/0002_idempotency.sql")];

/// Brings the schema up to date. Two processes may do so at the same time: the second finds it done.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("migrate"))?;
    transaction
        .execute_batch("CREATE TABLE IF NOT EXISTS onramp_schema (version INTEGER PRIMARY KEY) STRICT")
        .map_err(failed("migrate"))?;
    let version: i64 = transaction
        .query_row("SELECT coalesce(max(version), 0) FROM onramp_schema", [], |row| row.get(0))
        .map_err(failed("migrate"))?;
    if version > known {
        return Err(StoreError::new(StoreErrorKind::Unusable, "migrate").because(format!(
            "the file has schema version {version}, and this version of the program knows {known}; update it"
        )));
    }
    for (number, step) in (1_i64..).zip(STEPS).filter(|(number, _)| *number > version) {
        transaction.execute_batch(step).map_err(failed("migrate"))?;
        transaction.execute("INSERT INTO onramp_schema VALUES (?)", [number]).map_err(failed("migrate"))?;
    }
    transaction.commit().map_err(failed("migrate"))
}

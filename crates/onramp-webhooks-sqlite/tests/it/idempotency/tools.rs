//! Idempotency keys in a file.

use std::path::Path;

pub(crate) use onramp_webhooks_suite::keys::{ask, begin, claim, done, end, fingerprint, later, running};
use rusqlite::Connection;

/// Counts the keys that another connection sees, and those of them that are done.
pub(crate) fn seen_by_others(path: &Path) -> (i64, i64) {
    let connection = Connection::open(path).unwrap();
    let keys = "SELECT count(*), count(reply) FROM onramp_idempotency";
    connection.query_row(keys, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

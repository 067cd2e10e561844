//! Any sequence of calls has the same results on SQLite as in memory.

use onramp_webhooks_sqlite::{SqliteIdempotencyStore, SqliteOptions};
use onramp_webhooks_suite::same_as_memory;
use onramp_webhooks_testkit::{idempotency, inbox};

use crate::tools::file;

#[test]
fn the_inbox_has_the_same_results_as_in_memory() {
    same_as_memory::inbox(60, async |bound| {
        let (folder, path) = file();
        inbox::Fixture::new(SqliteOptions::new(path).quarantine(bound).open().await.unwrap()).keeping(folder)
    });
}

#[test]
fn the_idempotency_store_has_the_same_results_as_in_memory() {
    same_as_memory::idempotency_store(60, async || {
        let (folder, path) = file();
        idempotency::Fixture::new(SqliteIdempotencyStore::open(path).await.unwrap()).keeping(folder)
    });
}

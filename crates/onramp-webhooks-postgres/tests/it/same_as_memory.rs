//! Any sequence of calls has the same results on PostgreSQL as in memory.

use onramp_webhooks_suite::same_as_memory;
use onramp_webhooks_testkit::{idempotency, inbox};

use crate::tools::TestSchema;

#[test]
fn the_inbox_has_the_same_results_as_in_memory() {
    same_as_memory::inbox(10, async |bound| {
        let schema = TestSchema::new();
        inbox::Fixture::new(schema.open(bound).await).keeping(schema)
    });
}

#[test]
fn the_idempotency_store_has_the_same_results_as_in_memory() {
    same_as_memory::idempotency_store(10, async || {
        let schema = TestSchema::new();
        let store = schema.options().await.open_idempotency_store().await.unwrap();
        idempotency::Fixture::new(store).keeping(schema)
    });
}

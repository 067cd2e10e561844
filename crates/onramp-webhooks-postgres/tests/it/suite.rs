//! The conformance suites: over one inbox, over several that share one schema and take turns, and over the other stores.

use onramp_webhooks_testkit::{idempotency, inbox, purchases};

use crate::tools::TestSchema;

mod alone {
    use onramp_webhooks::inbox::QuarantineBound;

    use super::*;

    async fn open(bound: QuarantineBound) -> inbox::Fixture {
        let schema = TestSchema::new();
        inbox::Fixture::new(schema.open(bound).await).keeping(schema)
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod shared {
    use onramp_webhooks::inbox::QuarantineBound;

    use super::*;

    async fn open(bound: QuarantineBound) -> inbox::Fixture {
        let schema = TestSchema::new();
        let inboxes = [schema.open(bound).await, schema.open(bound).await, schema.open(bound).await];
        inbox::Fixture::taking_turns(inboxes).keeping(schema)
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod keys {
    use super::*;

    async fn open() -> idempotency::Fixture {
        let schema = TestSchema::new();
        let store = schema.options().await.open_idempotency_store().await.unwrap();
        idempotency::Fixture::new(store).keeping(schema)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod purchase_store {
    use super::*;

    async fn open() -> purchases::Fixture {
        let schema = TestSchema::new();
        let store = schema.options().await.open_purchases().await.unwrap();
        purchases::Fixture::new(store).keeping(schema)
    }

    onramp_webhooks_testkit::purchases_suite!(open);
}

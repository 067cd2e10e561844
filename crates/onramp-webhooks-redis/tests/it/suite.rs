//! The conformance suite: over one store, and over several that share one prefix and take turns.

use onramp_webhooks_suite::redis::TestPrefix;
use onramp_webhooks_testkit::idempotency::Fixture;

mod alone {
    use super::*;

    async fn open() -> Fixture {
        let prefix = TestPrefix::new();
        Fixture::new(prefix.open().await).forgetting_by_itself().keeping(prefix)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod shared {
    use super::*;

    async fn open() -> Fixture {
        let prefix = TestPrefix::new();
        let stores = [prefix.open().await, prefix.open().await, prefix.open().await];
        Fixture::taking_turns(stores).forgetting_by_itself().keeping(prefix)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

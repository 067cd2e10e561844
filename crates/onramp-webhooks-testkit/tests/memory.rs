//! The suites on the stores in memory.

mod inbox {
    use onramp_webhooks::inbox::{MemoryInbox, QuarantineBound};
    use onramp_webhooks_testkit::inbox::Fixture;

    async fn open(bound: QuarantineBound) -> Fixture {
        Fixture::new(MemoryInbox::with_quarantine(bound))
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod idempotency {
    use onramp_webhooks::idempotency::MemoryIdempotencyStore;
    use onramp_webhooks_testkit::idempotency::Fixture;

    async fn open() -> Fixture {
        Fixture::new(MemoryIdempotencyStore::new())
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod purchases {
    use onramp_webhooks::purchases::MemoryPurchaseStore;
    use onramp_webhooks_testkit::purchases::Fixture;

    async fn open() -> Fixture {
        Fixture::new(MemoryPurchaseStore::new())
    }

    onramp_webhooks_testkit::purchases_suite!(open);
}

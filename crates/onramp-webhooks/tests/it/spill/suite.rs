//! The conformance suites: a spill in memory, and an inbox with a spill.

mod memory {
    use onramp_webhooks::spill::MemorySpill;
    use onramp_webhooks_testkit::spill::Fixture;

    async fn open() -> Fixture {
        Fixture::new(MemorySpill::new())
    }

    onramp_webhooks_testkit::spill_suite!(open);
}

mod inbox {
    use onramp_webhooks::inbox::{MemoryInbox, QuarantineBound};
    use onramp_webhooks::spill::{MemorySpill, SpillInbox};
    use onramp_webhooks_testkit::inbox::Fixture;

    async fn open(bound: QuarantineBound) -> Fixture {
        Fixture::new(SpillInbox::new(MemoryInbox::with_quarantine(bound), MemorySpill::new()).await.unwrap())
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

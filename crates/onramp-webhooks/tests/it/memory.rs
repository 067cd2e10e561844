//! The conformance suite on the memory inbox.

use onramp_webhooks::inbox::{MemoryInbox, QuarantineBound};
use onramp_webhooks_testkit::inbox::Fixture;

async fn open(bound: QuarantineBound) -> Fixture {
    Fixture::new(MemoryInbox::with_quarantine(bound))
}

onramp_webhooks_testkit::inbox_suite!(open);

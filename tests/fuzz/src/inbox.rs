//! Any sequence of calls has the same results in the inbox in memory as in the small one in the documentation.

use onramp_webhooks_suite::same_as_memory::chosen_inbox;
use onramp_webhooks_testkit::inbox::Fixture;

use self::vec_inbox::VecInbox;
use crate::runtime::block_on;

#[expect(unreachable_pub, reason = "the store is written for a crate of its own")]
#[path = "../../../crates/onramp-webhooks/docs/vec_inbox.rs"]
mod vec_inbox;

/// Each byte is a choice.
pub(crate) fn run(input: &[u8]) {
    block_on(chosen_inbox(input, false, async |bound| Fixture::new(VecInbox::new(bound))));
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut dice = fastrand::Rng::with_seed(7);
    (1..12).map(|size| std::iter::repeat_with(|| dice.u8(..)).take(size * 100).collect()).collect()
}

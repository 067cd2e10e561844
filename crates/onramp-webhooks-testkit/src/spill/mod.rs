//! The conformance suite of the trait [`SpillStore`].
//!
//! [`spill_suite!`](crate::spill_suite) turns every case into a test; [`cases`] lists them to be run in other ways.

mod appending;
mod locking;
mod removing;
mod tools;

use std::sync::Arc;

use onramp_webhooks::inbox::spill::SpillStore;

use crate::doubles::{Double, TakingTurns};
use crate::suite::{self, suite};

/// A spill under test.
pub type Fixture = suite::Fixture<dyn SpillStore>;

/// Where fresh spills come from.
pub type Store = suite::Store<dyn SpillStore>;

/// One promise of the trait.
pub type Case = suite::Case<Store>;

impl Fixture {
    /// A spill that needs nothing but itself.
    #[must_use]
    pub fn new(spill: impl SpillStore) -> Self {
        Self::of(Arc::new(spill))
    }

    /// Several spills that share what they store: each call goes to the next of them, as if several processes did the work.
    #[must_use]
    pub fn taking_turns(spills: impl IntoIterator<Item = impl SpillStore>) -> Self {
        let spills = spills.into_iter().map(|spill| -> Arc<dyn SpillStore> { Arc::new(spill) }).collect();
        Self::new(Double(TakingTurns::of(spills)))
    }
}

suite! {
    ($)
    /// One test for every promise of the trait [`SpillStore`](onramp_webhooks::inbox::spill::SpillStore).
    ///
    /// Takes a function that opens an empty spill: `async fn open() -> Fixture`. The tests run at the same time, so no two of these
    /// spills may share what they store.
    spill_suite! runs spill on Store::new
    appending {
        what_was_appended_waits_in_its_order,
        every_field_comes_back,
        a_body_comes_back_to_the_byte,
        no_more_is_read_than_was_asked_for,
        nothing_is_a_duplicate,
        many_at_once_are_all_kept,
        an_empty_spill_has_nothing,
        a_healthy_spill_says_so,
    }
    removing {
        what_was_removed_is_gone,
        what_is_not_there_is_passed_over,
        an_id_is_never_used_again,
    }
    locking {
        one_moves_at_a_time,
        of_many_at_once_one_moves,
    }
}

//! The conformance suite of the trait [`SpillStore`].
//!
//! [`spill_suite!`](crate::spill_suite) turns every case into a test. [`cases`] returns the cases, to run them in other ways.

mod appending;
mod locking;
mod removing;
mod tools;

use std::sync::Arc;

use onramp_webhooks::spill::SpillStore;

use crate::doubles::{Double, TakingTurns};
use crate::suite::{self, suite};

/// A spill under test.
pub type Fixture = suite::Fixture<dyn SpillStore>;

/// A source of fresh spills.
pub type Store = suite::Store<dyn SpillStore>;

/// A test case for the trait.
pub type Case = suite::Case<Store>;

impl Fixture {
    /// Creates a fixture from a spill without a guard.
    #[must_use]
    pub fn new(spill: impl SpillStore) -> Self {
        Self::of(Arc::new(spill))
    }

    /// Creates a fixture from several spills over the same data. Each call is passed to the next spill, as if several processes shared
    /// the work.
    #[must_use]
    pub fn taking_turns(spills: impl IntoIterator<Item = impl SpillStore>) -> Self {
        let spills = spills.into_iter().map(|spill| -> Arc<dyn SpillStore> { Arc::new(spill) }).collect();
        Self::new(Double(TakingTurns::of(spills)))
    }
}

suite! {
    ($)
    /// Creates a test for every requirement of the trait [`SpillStore`](onramp_webhooks::spill::SpillStore).
    ///
    /// Takes a function that opens an empty spill: `async fn open() -> Fixture`. The tests run at the same time, so no two
    /// spills may share their data.
    spill_suite! runs spill on Store::new
    appending {
        what_was_appended_waits_in_its_order,
        every_field_comes_back,
        a_body_comes_back_to_the_byte,
        no_more_is_read_than_was_asked_for,
        nothing_is_a_duplicate,
        many_at_once_are_all_kept,
        an_empty_spill_has_nothing,
        the_age_of_the_oldest_is_known,
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

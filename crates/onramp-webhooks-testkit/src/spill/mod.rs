//! The conformance suite of the trait [`SpillStore`].
//!
//! [`spill_suite!`](crate::spill_suite) turns every case into a test; [`cases`] lists them to be run in other ways.

mod appending;
mod locking;
mod removing;
mod setting_aside;
mod tools;

use std::future::Future;
use std::sync::Arc;

use onramp_webhooks::inbox::spill::SpillStore;

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
}

impl Store {
    /// Opens spills with `open`, each empty.
    pub fn new<F, O>(open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Fixture> + Send + 'static,
    {
        Self::opened_by(move |()| open())
    }
}

/// Runs the case called `name`, on a runtime of its own; what the tests of [`spill_suite!`](crate::spill_suite) call.
///
/// # Panics
/// When the promise is broken, or there is no such case.
pub fn run<F, O>(name: &str, open: F)
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = Fixture> + Send + 'static,
{
    suite::run(cases(), name, &Store::new(open));
}

suite! {
    ($)
    /// One test for every promise of the trait [`SpillStore`](onramp_webhooks::inbox::spill::SpillStore).
    ///
    /// Takes a function that opens an empty spill: `async fn open() -> Fixture`. The tests run at the same time, so no two of these
    /// spills may share what they store.
    spill_suite! calls spill
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
    setting_aside {
        what_is_set_aside_waits_no_more,
        what_is_set_aside_is_listed_with_its_first_reason,
        what_is_put_back_waits_at_its_old_place,
        what_is_set_aside_can_be_removed,
        what_is_gone_is_not_set_aside,
    }
    locking {
        one_moves_at_a_time,
        of_many_at_once_one_moves,
    }
}

//! The conformance suite of the trait [`PurchaseStore`].
//!
//! [`purchases_suite!`](crate::purchases_suite) turns every case into a test. [`cases`] returns the cases, to run them in other ways.

mod pruning;
mod releasing;
mod starting;
mod tools;

use std::sync::Arc;

use onramp_webhooks::purchases::PurchaseStore;

use crate::suite::{self, suite};

/// A store of purchases under test.
pub type Fixture = suite::Fixture<dyn PurchaseStore>;

/// A source of fresh stores.
pub type Store = suite::Store<dyn PurchaseStore>;

/// A test case for the trait.
pub type Case = suite::Case<Store>;

impl Fixture {
    /// Creates a fixture from a store without a guard.
    #[must_use]
    pub fn new(store: impl PurchaseStore) -> Self {
        Self::of(Arc::new(store))
    }
}

suite! {
    ($)
    /// Creates a test for every requirement of the trait [`PurchaseStore`](onramp_webhooks::purchases::PurchaseStore).
    ///
    /// Takes a function that opens an empty store: `async fn open() -> Fixture`. The tests run at the same time, so no two
    /// stores may share their data.
    purchases_suite! runs purchases on Store::new
    starting {
        what_was_started_comes_back_to_the_letter,
        what_was_left_to_the_customer_stays_so,
        what_was_never_started_is_not_known,
        a_uuid_is_the_same_in_any_case,
        the_same_once_more_changes_nothing,
        something_else_under_the_same_uuid_is_refused_and_changes_nothing,
        any_text_is_kept,
        of_many_at_once_one_counts,
    }
    releasing {
        what_was_started_can_be_released_and_stays_started,
        what_was_never_started_can_be_released,
        what_was_released_can_be_started,
        the_first_release_stays,
        a_release_is_for_one_uuid_in_any_case,
        a_uuid_of_any_length_can_be_released,
    }
    pruning {
        old_purchases_and_releases_go,
        what_is_young_stays,
        many_go_in_rounds,
    }
}

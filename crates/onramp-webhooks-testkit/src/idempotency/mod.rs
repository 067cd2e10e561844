//! The conformance suite of the trait [`IdempotencyStore`].
//!
//! [`idempotency_suite!`](crate::idempotency_suite) turns every case into a test. [`cases`] returns the cases, to run them in other ways.

mod changing;
mod claiming;
mod fencing;
mod pruning;
mod racing;
mod releasing;
mod renewing;
mod tools;

use std::sync::Arc;

use onramp_webhooks::idempotency::IdempotencyStore;

use crate::doubles::{Double, TakingTurns};
use crate::suite::{self, suite};

/// A store of idempotency keys under test.
pub type Fixture = suite::Fixture<dyn IdempotencyStore>;

/// A source of fresh stores.
pub type Store = suite::Store<dyn IdempotencyStore>;

/// A test case for the trait.
pub type Case = suite::Case<Store>;

impl Fixture {
    /// Creates a fixture from a store without a guard.
    #[must_use]
    pub fn new(store: impl IdempotencyStore) -> Self {
        Self::of(Arc::new(store))
    }

    /// Creates a fixture from several stores over the same data. Each call is passed to the next store, as if several processes shared
    /// the work.
    #[must_use]
    pub fn taking_turns(stores: impl IntoIterator<Item = impl IdempotencyStore>) -> Self {
        let stores = stores.into_iter().map(|store| -> Arc<dyn IdempotencyStore> { Arc::new(store) }).collect();
        Self::new(Double(TakingTurns::of(stores)))
    }

    /// Marks the store as one that removes expired entries by itself, so that pruning must not find any.
    #[must_use]
    pub fn forgetting_by_itself(mut self) -> Self {
        self.forgets_by_itself = true;
        self
    }
}

suite! {
    ($)
    /// Creates a test for every requirement of the trait [`IdempotencyStore`](onramp_webhooks::idempotency::IdempotencyStore).
    ///
    /// Takes a function that opens an empty store: `async fn open() -> Fixture`. The tests run at the same time, so no two
    /// stores may share their data.
    idempotency_suite! runs idempotency on Store::new
    claiming {
        a_new_key_is_claimed,
        a_running_key_is_found_with_its_fingerprint,
        a_done_key_is_found_with_its_fingerprint_and_reply,
        a_reply_comes_back_to_the_byte,
        whoever_only_finds_changes_nothing,
        keys_are_independent,
        a_lease_that_ended_is_taken_over,
        a_reply_that_expired_is_claimed_anew,
        a_clock_that_goes_back_loses_nothing,
    }
    renewing {
        a_renewed_lease_lasts,
        a_lease_that_ended_is_renewed_while_nobody_took_it,
        what_is_done_is_not_renewed,
    }
    fencing {
        an_old_token_renews_nothing,
        an_old_token_completes_nothing,
        an_old_token_releases_nothing,
        a_token_that_never_claimed_does_nothing,
        a_lease_that_ended_is_completed_while_nobody_took_it,
        what_is_done_is_not_completed_again,
        any_number_is_a_token,
    }
    releasing {
        a_released_key_is_new_again,
        a_released_claim_is_over,
        a_lease_that_ended_is_released_while_nobody_took_it,
        what_is_done_is_not_released,
    }
    changing {
        completing_wakes,
        releasing_wakes,
        all_who_wait_are_woken,
    }
    pruning {
        expired_replies_go,
        replies_that_count_stay,
        what_runs_stays,
        what_was_renewed_stays,
        abandoned_claims_go,
        many_go_in_rounds,
    }
    racing {
        of_many_at_once_one_claims,
        of_many_at_once_one_takes_over,
        of_many_at_once_one_claims_anew,
        an_end_and_a_takeover_at_once_agree,
    }
}

//! The conformance suite of the trait [`TransactionalInbox`](onramp_webhooks::inbox::TransactionalInbox): a handler's writes and the
//! completion are committed together.
//!
//! The cases credit a ledger in the database of the inbox and check its sum.

mod committing;
mod handling;
mod ledger;
mod overlaps;

use std::sync::Arc;

pub use self::ledger::Ledger;
use self::ledger::{Erased, Shop};
use crate::suite::{self, suite};

/// A ledger under test.
pub type Fixture = suite::Fixture<dyn Shop>;

/// A source of fresh ledgers.
pub type Store = suite::Store<dyn Shop>;

/// A test case for the trait.
pub type Case = suite::Case<Store>;

impl Fixture {
    /// Creates a fixture from a ledger without a guard.
    pub fn new(ledger: impl Ledger) -> Self {
        Self::of(Arc::new(Erased::new(ledger)))
    }
}

suite! {
    ($)
    /// Creates a test for every requirement of the trait [`TransactionalInbox`](onramp_webhooks::inbox::TransactionalInbox).
    ///
    /// Takes a function that opens an inbox with a ledger, both empty: `async fn open() -> Fixture`.
    transactional_suite! runs transactional on Store::new
    committing {
        both_are_committed,
        what_is_dropped_is_neither,
        what_is_rolled_back_is_neither,
        a_handler_that_writes_nothing_completes,
        a_lost_lease_commits_nothing,
        what_another_worker_handled_is_not_handled_again,
        a_commit_whose_answer_was_lost_is_not_settled_again,
        a_released_delivery_is_not_completed_under_its_old_lease,
        after_a_failed_statement_it_is_both_or_neither,
        a_transaction_that_the_handler_ended_is_refused,
        a_rollback_of_what_the_handler_ended_is_refused,
    }
    handling {
        many_at_once_are_each_committed_once,
        events_of_one_order_never_run_at_the_same_time,
        an_error_rolls_both_back_and_is_tried_again,
        a_panic_rolls_both_back_and_is_tried_again,
        a_timeout_rolls_both_back_and_is_tried_again,
        an_own_commit_is_a_dead_letter_at_once,
        an_own_commit_before_an_error_is_a_dead_letter_at_once,
    }
}

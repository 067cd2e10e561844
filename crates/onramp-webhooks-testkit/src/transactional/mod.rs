//! The conformance suite of the trait [`TransactionalInbox`](onramp_webhooks::inbox::TransactionalInbox): a handler's writes and the completion are one.
//!
//! The cases credit a ledger, which lies where the inbox does, and look what it holds.

mod committing;
mod handling;
mod ledger;
mod overlaps;

use std::future::Future;

pub use self::ledger::Ledger;
use self::ledger::{Erased, Shop};
use crate::suite::{self, suite};

/// A ledger under test.
#[derive(Clone)]
pub struct Fixture(suite::Fixture<dyn Shop>);

/// Where fresh ledgers come from.
pub type Store = suite::Store<dyn Shop>;

/// One promise of the trait.
pub type Case = suite::Case<Store>;

impl Fixture {
    /// A ledger that needs nothing but itself.
    pub fn new(ledger: impl Ledger) -> Self {
        Self(suite::Fixture::of(std::sync::Arc::new(Erased::new(ledger))))
    }

    /// Keeps `guard` until the ledger is dropped.
    #[must_use]
    pub fn keeping(self, guard: impl std::any::Any + Send + Sync) -> Self {
        Self(self.0.keeping(guard))
    }
}

impl std::fmt::Debug for Fixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixture").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens ledgers with `open`, each empty and beside an inbox that is.
    pub fn new<F, O>(open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Fixture> + Send + 'static,
    {
        Self::opened_by(move |()| {
            let opening = open();
            async move { opening.await.0 }
        })
    }
}

/// Runs the case called `name`, on a runtime of its own; what the tests of
/// [`transactional_suite!`](crate::transactional_suite) call.
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
    /// One test for every promise of the trait [`TransactionalInbox`](onramp_webhooks::inbox::TransactionalInbox).
    ///
    /// Takes a function that opens an inbox with a ledger, both empty: `async fn open() -> Fixture`.
    transactional_suite! calls transactional
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

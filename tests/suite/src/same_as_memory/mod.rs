//! Random sequences of calls whose results must be the same in a store as in memory.

mod choices;
mod idempotency;
mod inbox;

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};

pub use self::idempotency::idempotency_store;
pub use self::inbox::{chosen_inbox, inbox};

/// Runs a number of sequences of up to 120 steps. Reduces a failing sequence to the shortest one that still fails.
fn sequences<S: Debug>(cases: u32, step: impl Strategy<Value = S>, mut check: impl AsyncFnMut(Vec<S>) -> TestCaseResult) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let check = std::cell::RefCell::new(&mut check);
    let run = |steps| runtime.block_on((*check.borrow_mut())(steps));
    if let Err(error) = runner.run(&prop::collection::vec(step, 1..120), run) {
        panic!("{error}");
    }
}

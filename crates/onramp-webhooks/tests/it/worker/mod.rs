//! The worker over a memory inbox and a clock that is moved by hand.
//!
//! Tokio's own time stands still, too: a short sleep returns once every task has nothing left to do, so "nothing happens" is
//! something that can be seen.

mod attempts;
mod checks;
mod chores;
mod clocks;
mod ending;
mod failures;
pub(crate) mod harness;
mod leases;
mod orders;
mod transactions;

//! The worker over a memory inbox and a clock that is moved by hand.
//!
//! Tokio's time is paused, too: a short sleep returns once all tasks are idle, so that tests can see that nothing
//! happens.

mod ahead;
mod attempts;
mod behind;
mod checks;
mod clocks;
mod currencies;
mod ending;
mod failures;
pub(crate) mod harness;
mod idle;
mod leases;
mod life;
mod orders;
mod periodic_tasks;
mod suspects;
mod transactions;

//! The core through its public API: endpoints, the memory inbox, the worker.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod debug;
mod documented;
mod door;
mod faulty;
mod gate;
mod idempotency;
mod json_lines;
mod ledger;
mod logs;
mod memory;
mod metrics;
mod mutations;
mod purchases;
mod slow;
mod spill;
mod tallies;
mod tools;
mod traffic;
mod watchdog;
mod worker;

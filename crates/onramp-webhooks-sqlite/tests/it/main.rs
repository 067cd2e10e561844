//! The SQLite inbox and its store of idempotency keys: the suites that all of their kind pass, and what only a file can suffer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panicking")]

mod durable;
mod faults;
mod idempotency;
mod migrating;
mod plans;
mod purchases;
mod same_as_memory;
mod sharing;
mod spill;
mod suite;
mod tools;
mod transactional;

//! The SQLite stores: the conformance suites, and faults that only a file has.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod calls;
mod cut_off;
mod durable;
mod faults;
mod files;
mod groups;
mod idempotency;
mod killers;
mod migrating;
mod plans;
mod purchases;
mod reading;
mod same_as_memory;
mod sharing;
mod spill;
mod stale;
mod suite;
mod tools;
mod transactional;

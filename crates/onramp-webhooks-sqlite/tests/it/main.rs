//! The SQLite inbox: the suite that every inbox passes, and what only a file can suffer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test speaks by panicking")]

mod durable;
mod faults;
mod plans;
mod same_as_memory;
mod sharing;
mod suite;
mod tools;

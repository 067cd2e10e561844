//! The PostgreSQL inbox and its store of idempotency keys, against a real server: `DATABASE_URL` if it is one of PostgreSQL, else
//! user postgres at 127.0.0.1:5432. `cargo xtask test` leaves these tests out where no server listens, and reports it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod dedicated_postgres;
mod deployments;
mod faults;
mod locking;
mod migrating;
mod network;
mod pgbouncer;
mod plans;
mod promoting;
mod round_trips;
mod same_as_memory;
mod sharing;
mod skew;
mod suite;
mod tools;
mod transactional;
mod transactions_that_fail;
mod wire;

//! The Redis store of idempotency keys, against a real server: the one that `REDIS_URL` names, else the one at 127.0.0.1:6379.
//! `cargo xtask test` starts one where none answers, and leaves these tests out where none is installed. Tests that stop,
//! freeze or fill a server use a dedicated one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod dedicated_redis;
mod expiring;
mod sharing;
mod suite;
mod tools;

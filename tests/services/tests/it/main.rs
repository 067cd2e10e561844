//! Temporary servers: stopping, freezing, and removal after use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dedicated_postgres;
mod dedicated_redis;
mod orphan;

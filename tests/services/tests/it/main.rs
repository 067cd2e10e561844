//! Throw-away servers: what tests can do to them, and that none is left behind.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod dedicated_postgres;
mod dedicated_redis;
mod orphan;

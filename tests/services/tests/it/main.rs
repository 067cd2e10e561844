//! Throw-away servers: what tests can do to them, and that none is left behind.

#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod orphan;
mod own_postgres;
mod own_redis;

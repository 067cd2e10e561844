//! The store of idempotency keys.

mod durable;
mod same_as_memory;
mod sharing;
mod suite;
pub(crate) mod tools;

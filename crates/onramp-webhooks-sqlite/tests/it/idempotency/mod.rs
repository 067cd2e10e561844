//! The store of idempotency keys.

mod durable;
mod sharing;
mod suite;
pub(crate) mod tools;

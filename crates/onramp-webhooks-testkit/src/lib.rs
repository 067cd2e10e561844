#![doc = include_str!("../README.md")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a case of a test suite speaks by panicking"
)]

pub mod adapter;
pub mod events;
pub mod idempotency;
pub mod inbox;
#[cfg(feature = "provider")]
pub mod provider;
pub mod simulator;
pub mod spill;
pub mod started;
pub mod suite;
mod tools;
pub mod transactional;

#![doc = include_str!("../README.md")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a case of a test suite fails by panicking"
)]

pub mod adapter;
pub mod doubles;
pub mod events;
mod handler;
pub mod idempotency;
pub mod inbox;
#[cfg(feature = "provider")]
pub mod provider;
pub mod purchases;
pub mod simulator;
pub mod spill;
pub mod suite;
mod tools;
pub mod transactional;

pub use self::handler::{TestDelivery, delivery, handled, handled_in, until};

//! What the tests of several packages share and that does not belong into the published testkit.
//!
//! Each feature is named after its module, or after the adapter whose site it has in [`serve`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

pub mod deliveries;
pub mod keys;
#[cfg(feature = "mounting")]
pub mod mounting;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "same-as-memory")]
pub mod same_as_memory;
pub mod serve;

//! Test helpers that several packages share and that do not belong in the published testkit.
//!
//! Each feature is named after its module, or after the adapter whose site it adds to [`serve`].

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

#[cfg(any(feature = "postgres", feature = "redis"))]
mod clean_up;
pub mod deliveries;
pub mod keys;
#[cfg(feature = "mounting")]
pub mod layers;
#[cfg(feature = "mounting")]
pub mod mounting;
pub mod names;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "same-as-memory")]
pub mod same_as_memory;
pub mod serve;
#[cfg(any(feature = "postgres", feature = "redis", feature = "same-as-memory"))]
pub mod wait;

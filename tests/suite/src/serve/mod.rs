//! The site of the adapter suite, on each framework.

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "warp")]
pub mod warp;

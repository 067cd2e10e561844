//! The inspector page on every adapter, over sockets and in a browser.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_debug_implementations,
    reason = "helpers of tests fail by panicking"
)]

mod adapter;
mod controlled;
mod past;
mod shop;

pub use self::adapter::{ADAPTERS, Adapter};
pub use self::controlled::Controlled;
pub use self::shop::{Shop, TOKEN};

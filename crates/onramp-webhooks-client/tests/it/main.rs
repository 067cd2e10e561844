//! The clients against the fake provider, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod confirmation;
mod confirming;
mod deadlines;
mod debug;
mod faults;
mod inbox;
mod keys;
mod kriptomat;
mod lies;
mod paging;
mod periodic;
mod reconciling;
mod retries;
mod starting;
mod tools;
mod wert;

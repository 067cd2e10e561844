//! The clients against the fake provider, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test speaks by panicking")]

mod confirming;
mod deadlines;
mod faults;
mod keys;
mod kriptomat;
mod lies;
mod paging;
mod retries;
mod tools;
mod wert;

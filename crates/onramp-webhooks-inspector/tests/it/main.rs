//! The inspector at its trait: access, changes, masking, and received text that is hostile.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod actions;
mod csrf;
mod debug;
mod hostile;
mod lists;
mod live;
mod loopback;
mod masking;
mod tools;
mod traffic;
mod unusable;

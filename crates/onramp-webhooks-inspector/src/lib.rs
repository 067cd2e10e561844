#![doc = include_str!("../README.md")]

mod access;
mod actions;
mod api;
mod assets;
mod attempts;
mod blind;
mod builder;
mod checks;
mod csrf;
mod events;
mod headers;
mod inspector;
mod latest;
mod loopback;
mod overview;
mod problem;
mod query;
mod session;
mod tokens;
mod traffic;
mod view;

pub use self::access::Access;
pub use self::builder::{BuildError, InspectorBuilder, SHORTEST_TOKEN};
pub use self::inspector::Inspector;

#![doc = include_str!("../README.md")]

mod access;
mod actions;
mod api;
mod assets;
mod attempts;
mod attention;
mod builder;
mod csrf;
mod headers;
mod inspector;
mod loopback;
mod problem;
mod query;
mod session;
mod tokens;
mod view;

pub use self::access::Access;
pub use self::builder::{BuildError, InspectorBuilder, SHORTEST_TOKEN};
pub use self::inspector::Inspector;

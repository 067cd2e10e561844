#![doc = include_str!("../README.md")]

#[cfg(feature = "actix")]
mod actix;
mod connection;
mod guarded;
mod places;
mod proxy;
mod server;

#[cfg(feature = "actix")]
pub use self::actix::ActixServer;
pub use self::connection::{HEAD_TIME, IDLE_TIME};
pub use self::server::{MOST_CONNECTIONS, Server};

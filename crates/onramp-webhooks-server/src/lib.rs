#![doc = include_str!("../README.md")]

mod connection;
mod places;
mod proxy;
mod server;

pub use self::connection::{HEAD_TIME, IDLE_TIME};
pub use self::server::{MOST_CONNECTIONS, Server};

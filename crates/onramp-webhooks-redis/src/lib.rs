#![doc = include_str!("../README.md")]

mod connection;
mod error;
mod eviction;
mod expiry;
mod idempotency;
mod own;
mod prefix;
mod scripts;
mod server;

pub use self::connection::RedisOptions;
pub use self::idempotency::RedisIdempotencyStore;

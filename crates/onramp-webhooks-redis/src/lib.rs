#![doc = include_str!("../README.md")]

mod db;
mod idempotency;
mod options;

pub use self::idempotency::RedisIdempotencyStore;
pub use self::options::RedisOptions;

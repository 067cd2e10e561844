#![doc = include_str!("../README.md")]

mod db;
mod idempotency;
mod inbox;
mod options;
mod purchases;

pub use self::idempotency::PostgresIdempotencyStore;
pub use self::inbox::{PostgresInbox, PostgresTransaction};
pub use self::options::PostgresOptions;
pub use self::purchases::PostgresPurchaseStore;

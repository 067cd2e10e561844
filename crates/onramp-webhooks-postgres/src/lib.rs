#![doc = include_str!("../README.md")]

mod claim;
mod column;
mod connection;
mod database;
mod error;
mod idempotency;
mod inbox;
mod look;
mod migrations;
mod prune;
mod rearm;
mod record;
mod schema;
mod settle;
mod started;
mod text;
mod transaction;
mod waking;
mod writer;

pub use self::connection::PostgresOptions;
pub use self::idempotency::PostgresIdempotencyStore;
pub use self::inbox::PostgresInbox;
pub use self::started::PostgresStartedPurchases;
pub use self::transaction::PostgresTransaction;

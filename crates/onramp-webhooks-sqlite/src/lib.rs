#![doc = include_str!("../README.md")]

mod batch;
mod claim;
mod column;
mod connection;
mod error;
mod file;
mod idempotency;
mod inbox;
mod look;
mod migrations;
mod prune;
mod rearm;
mod record;
mod session;
mod settle;
mod spill;
mod started;
mod transaction;
mod writer;

pub use self::connection::SqliteOptions;
pub use self::idempotency::SqliteIdempotencyStore;
pub use self::inbox::SqliteInbox;
pub use self::spill::SqliteSpill;
pub use self::started::SqliteStartedPurchases;
pub use self::transaction::{CallError, SqliteTransaction};
/// The version whose connection a handler's statements run on.
pub use rusqlite;

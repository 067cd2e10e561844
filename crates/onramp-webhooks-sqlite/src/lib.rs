#![doc = include_str!("../README.md")]

mod db;
mod idempotency;
mod inbox;
mod options;
mod purchases;
mod reader;
mod spill;

pub use self::idempotency::SqliteIdempotencyStore;
pub use self::inbox::{CallError, SqliteInbox, SqliteTransaction};
pub use self::options::SqliteOptions;
pub use self::purchases::SqlitePurchaseStore;
pub use self::reader::SqliteReader;
pub use self::spill::SqliteSpill;
/// The version of `rusqlite` that the inbox uses.
pub use rusqlite;

//! Access to the database: the pool, transactions, and migrations.

pub(crate) mod column;
mod connection;
mod database;
mod error;
mod ids;
mod migrations;
mod pooler;
mod schema;
mod session;
pub(crate) mod text;
mod transaction;

pub(crate) use self::connection::connect;
pub(crate) use self::database::{Database, Limit};
pub(crate) use self::error::{failed, is_no_savepoint, is_of_one_delivery};
pub(crate) use self::migrations::{migrate, require};
pub(crate) use self::pooler::is_behind_pooler;
pub(crate) use self::schema::Schema;
pub(crate) use self::session::Session;
pub(crate) use self::transaction::{MARK, OPEN, SAVEPOINT, Transaction};

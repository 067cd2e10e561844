//! Access to the database file: connections, migrations, and the thread that writes.

mod batch;
mod busy;
mod call;
mod checkpoint;
pub(crate) mod column;
mod connection;
mod deferred;
mod error;
mod file_id;
mod group;
mod guard;
mod migrations;
mod permissions;
mod progress;
mod queue;
mod session;
mod thread;
mod turns;
mod writer;

pub(crate) use self::batch::Batch;
pub(crate) use self::connection::Settings;
pub(crate) use self::error::{failed, is_of_the_statement};
pub(crate) use self::file_id::{FileIdentity, beside};
pub(crate) use self::guard::has_ended;
pub(crate) use self::migrations::Purpose;
pub(crate) use self::session::{Call, Commit, Session, Step, ended_by_work, rolled_back};
pub(crate) use self::writer::{Effect, Writer};

//! Access to the server: connections, scripts, and the prefix of keys.

mod error;
mod eviction;
mod prefix;
mod reconnect;
mod script;
mod server;

pub(crate) use self::error::failed;
pub(crate) use self::eviction::warn_of_eviction;
pub(crate) use self::prefix::Prefix;
pub(crate) use self::reconnect::Reconnecting;
pub(crate) use self::script::{Script, script};
pub(crate) use self::server::{Connection, Server, Shared};

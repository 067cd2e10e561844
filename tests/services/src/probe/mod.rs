//! Probes of servers that are already running.
//!
//! Each probe uses the server's protocol, for a few seconds at most, because an open port does not identify the server.

use std::io::{self, BufRead};

mod postgres;
mod redis;

pub use self::postgres::postgres;
pub use self::redis::redis;

/// The access that a server grants to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// The server can be used.
    Open,
    /// The server requires a password, encryption or another database, which probes do not support.
    Guarded,
}

/// Returns the first line, without its line break.
pub(crate) fn line(mut from: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line.trim_end().to_owned()) }
}

fn no_such_server(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

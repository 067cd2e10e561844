//! Whether a server answers that somebody else runs.
//!
//! A port that is open is not enough: each probe speaks the server's own protocol, for a few seconds at most.

use std::io::{self, BufRead};

mod postgres;
mod redis;

pub use self::postgres::postgres;
pub use self::redis::redis;

/// What a server said to a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Come in.
    Open,
    /// It is such a server, and wants a password, encryption or another database's name, which a probe does not try.
    Guarded,
}

/// The first line, without its end.
pub(crate) fn line(mut from: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line.trim_end().to_owned()) }
}

fn no_such_server(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

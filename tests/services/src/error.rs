//! The errors of starting a server.

use std::io;

/// Error of starting, stopping or reaching a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The program is not in any of the usual folders.
    #[error("{0} is not installed")]
    NotInstalled(&'static str),
    /// The server exited, or was not ready in time.
    #[error("{name} did not start; its log ends with:\n{log}")]
    DidNotStart {
        /// The program.
        name: &'static str,
        /// The last lines of its log.
        log: String,
    },
    /// The server replied with an error, or with nothing.
    #[error("{name} replied: {reply}")]
    Refused {
        /// The program.
        name: &'static str,
        /// The error.
        reply: String,
    },
    /// An operation of the system failed.
    #[error("{what}")]
    Io {
        /// The attempted action.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
}

impl ServiceError {
    /// Returns a function for `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { what, source: source.into() }
    }
}

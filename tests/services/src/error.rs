//! The errors of starting a server.

use std::io;

/// Error of starting, stopping or reaching a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// No program of this name is where such programs are installed.
    #[error("{0} is not installed")]
    NotInstalled(&'static str),
    /// It ended, or was not ready in time.
    #[error("{name} did not start; its log ends with:\n{log}")]
    DidNotStart {
        /// The program.
        name: &'static str,
        /// The last lines that it wrote.
        log: String,
    },
    /// It answered with an error, or with nothing.
    #[error("{name} answered: {answer}")]
    Refused {
        /// The program.
        name: &'static str,
        /// The error.
        answer: String,
    },
    /// The machine did not let us.
    #[error("{what}")]
    Io {
        /// The attempted action.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
}

impl ServiceError {
    /// For `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { what, source: source.into() }
    }
}

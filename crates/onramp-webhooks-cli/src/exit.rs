//! Exit codes and errors.

use std::error::Error;
use std::fmt;

/// The result of the program, which determines its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// No finding, or every finding was repaired.
    Resolved,
    /// An error occurred.
    Failed,
    /// The command line is not valid.
    Usage,
    /// Some findings were only reported.
    Open,
    /// The program was interrupted by a signal.
    Interrupted,
}

impl ExitStatus {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Resolved => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Open => 3,
            Self::Interrupted => 130,
        }
    }
}

/// An error that ends the program.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command line is not valid.
    Usage(String),
    /// Any other failure.
    Failed(String),
}

impl CliError {
    pub(crate) const fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) => ExitStatus::Usage,
            Self::Failed(_) => ExitStatus::Failed,
        }
    }

    /// Creates an error from another one, with all of its sources in the message.
    pub(crate) fn with_source(operation: impl fmt::Display, error: &dyn Error) -> Self {
        let mut text = format!("{operation}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        Self::Failed(text)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

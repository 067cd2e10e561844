//! Exit codes and errors.

use std::error::Error;
use std::fmt;

/// The result of the program, which determines its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// The operation succeeded, and nothing needs attention.
    Success,
    /// An error occurred. Trying again may help.
    Failed,
    /// The command line is not valid.
    Usage,
    /// The operation completed, with findings.
    Findings,
    /// The operation was refused, and nothing was changed.
    Refused,
    /// The program was interrupted by a signal.
    Interrupted,
    /// The open findings of a reconciliation, which has codes of its own.
    Reconciled(u8),
}

impl ExitStatus {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Findings => 3,
            Self::Refused => 4,
            Self::Interrupted => 130,
            Self::Reconciled(code) => code,
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
    /// The operation was refused, and nothing was changed.
    Refused(String),
    /// An error with the next step.
    Hinted(Box<CliError>, String),
}

impl CliError {
    pub(crate) const fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) => ExitStatus::Usage,
            Self::Failed(_) => ExitStatus::Failed,
            Self::Refused(_) => ExitStatus::Refused,
            Self::Hinted(error, _) => error.exit_status(),
        }
    }

    /// Adds the next step: a command to type, or a setting to change.
    pub(crate) fn hint(self, next: impl Into<String>) -> Self {
        Self::Hinted(Box::new(self), next.into())
    }

    /// Returns the next step, if there is one.
    pub(crate) fn next_step(&self) -> Option<&str> {
        match self {
            Self::Hinted(_, next) => Some(next),
            _ => None,
        }
    }

    /// Creates an error from another one, with all of its sources in the message.
    pub(crate) fn with_source(operation: impl fmt::Display, error: &dyn Error) -> Self {
        Self::Failed(format!("{operation}: {}", Causes(error)))
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) | Self::Refused(text) => f.write_str(text),
            Self::Hinted(error, _) => error.fmt(f),
        }
    }
}

/// Formats an error with all of its sources.
pub(crate) struct Causes<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

//! Exit codes and errors.

use std::error::Error;
use std::fmt;

use onramp_webhooks_client::wert::Summary;

/// The result of the program, which determines its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// No finding, or every finding was repaired.
    Resolved,
    /// An error occurred.
    Failed,
    /// The command line is not valid.
    Usage,
    /// Some findings are open, all of one kind.
    Open(OpenKind),
    /// Findings of several kinds are open.
    OpenOfSeveralKinds,
    /// The program was interrupted by a signal.
    Interrupted,
}

/// The kind of an open finding, with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenKind {
    Missing = 3,
    NotHandled = 4,
    Differs = 5,
    Unclear = 6,
    Unknown = 7,
}

impl ExitStatus {
    /// Returns the result of a reconciliation.
    pub(crate) fn of(summary: &Summary) -> Self {
        let kinds = [
            (OpenKind::Missing, summary.missing.saturating_sub(summary.repaired)),
            (OpenKind::NotHandled, summary.not_handled),
            (OpenKind::Differs, summary.differs.saturating_add(summary.status_differs)),
            (OpenKind::Unclear, summary.unclear),
            (OpenKind::Unknown, summary.unknown_to_provider),
        ];
        let mut open = kinds.into_iter().filter(|(_, count)| *count > 0).map(|(kind, _)| kind);
        match (open.next(), open.next()) {
            (None, _) => Self::Resolved,
            (Some(kind), None) => Self::Open(kind),
            (Some(_), Some(_)) => Self::OpenOfSeveralKinds,
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Resolved => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Open(kind) => kind as u8,
            Self::OpenOfSeveralKinds => 8,
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

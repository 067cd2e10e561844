//! How the program ends.

use std::error::Error;
use std::fmt;

/// How the program ends, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing was found, or all that was is repaired.
    Settled,
    /// Something failed.
    Failed,
    /// The command line makes no sense.
    Misused,
    /// Something was found that a person has to look at.
    Open,
    /// Somebody ended it.
    Interrupted,
}

impl Outcome {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Settled => 0,
            Self::Failed => 1,
            Self::Misused => 2,
            Self::Open => 3,
            Self::Interrupted => 130,
        }
    }
}

/// Why the program could not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Misuse(String),
    /// Something failed, here or elsewhere.
    Error(String),
}

impl Failure {
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Misuse(_) => Outcome::Misused,
            Self::Error(_) => Outcome::Failed,
        }
    }

    /// An error with the causes behind it.
    pub(crate) fn because(doing: impl fmt::Display, error: &dyn Error) -> Self {
        let mut text = format!("{doing}: {error}");
        let mut cause = error.source();
        while let Some(deeper) = cause {
            text.push_str(&format!(": {deeper}"));
            cause = deeper.source();
        }
        Self::Error(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(text) | Self::Error(text) => f.write_str(text),
        }
    }
}

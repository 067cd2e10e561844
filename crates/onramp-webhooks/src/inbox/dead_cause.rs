//! Causes of dead letters.

use std::fmt;

/// The cause of a dead letter.
///
/// A duplicate requeues a dead letter only if its [attempts were used up](Self::AttemptsUsedUp). All others wait for an operator,
/// because another attempt would end in the same way or could pay twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeadCause {
    /// Every attempt failed, or it was parked for too long.
    AttemptsUsedUp,
    /// The handler returned a permanent error.
    RefusedByHandler,
    /// A check before the handler returned a permanent error.
    RefusedByCheck,
    /// The handler ended its transaction by itself, so its result is unknown.
    TransactionEnded,
    /// The process ended several times while it was handled.
    ProcessKilled,
    /// The worker's version could not read its event.
    Unreadable,
}

impl DeadCause {
    /// All causes, in the order of their stored numbers.
    pub const ALL: [Self; 6] = [
        Self::AttemptsUsedUp,
        Self::RefusedByHandler,
        Self::RefusedByCheck,
        Self::TransactionEnded,
        Self::ProcessKilled,
        Self::Unreadable,
    ];

    /// Returns the number to store.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Returns the cause with this stored number, or `None` if this version does not know it.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Returns the cause in words: `attempts used up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttemptsUsedUp => "attempts used up",
            Self::RefusedByHandler => "refused by the handler",
            Self::RefusedByCheck => "refused by a check",
            Self::TransactionEnded => "its transaction was ended by the handler",
            Self::ProcessKilled => "the process ended while it was handled",
            Self::Unreadable => "unreadable to this version",
        }
    }

    /// Returns the short word on the command line and in JSON, which never changes: `exhausted`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AttemptsUsedUp => "exhausted",
            Self::RefusedByHandler => "handler",
            Self::RefusedByCheck => "check",
            Self::TransactionEnded => "transaction",
            Self::ProcessKilled => "crash",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for DeadCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

//! States of deliveries.

use std::fmt;
use std::str::FromStr;

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// Due and not claimed by a worker.
    Pending,
    /// Claimed by a worker.
    Leased,
    /// Failed and waiting for the next attempt.
    Retrying,
    /// Waiting because the handler or a check returned `not_yet`.
    Parked,
    /// Handled.
    Handled,
    /// A dead letter; see [`DeadCause`](super::DeadCause).
    Dead,
    /// In quarantine: unreadable.
    Quarantined,
    /// In conflict with an earlier delivery: the same key and another body.
    Conflict,
    /// A state of a later version. The delivery is kept as it is, and only a version that knows the state changes it.
    Unknown = 255,
}

impl State {
    /// All states, in the order of their stored numbers. The last one stands for every number that this version does not know.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Leased,
        Self::Retrying,
        Self::Parked,
        Self::Handled,
        Self::Dead,
        Self::Quarantined,
        Self::Conflict,
        Self::Unknown,
    ];

    /// Returns the number to store.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Returns the state with this stored number.
    #[must_use]
    pub fn from_u8(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Unknown)
    }

    /// Returns whether a delivery in this state waits to be handled.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::Pending | Self::Leased | Self::Retrying | Self::Parked)
    }

    /// Returns whether a delivery in this state waits for an operator, who can [resolve](super::Inbox::resolve) it: dead, quarantined or in
    /// conflict.
    #[must_use]
    pub const fn can_be_resolved(self) -> bool {
        matches!(self, Self::Dead | Self::Quarantined | Self::Conflict)
    }

    /// Returns the name of the state.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Leased => "leased",
            Self::Retrying => "retrying",
            Self::Parked => "parked",
            Self::Handled => "handled",
            Self::Dead => "dead",
            Self::Quarantined => "quarantined",
            Self::Conflict => "conflict",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| UnknownState(word.to_owned()))
    }
}

/// Error returned when parsing a [`State`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state; the states are pending, leased, retrying, parked, handled, dead, quarantined, conflict, unknown")]
pub struct UnknownState(String);

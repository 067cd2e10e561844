//! The spans of time that a report covers.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The span of time that a [report](super::report) covers, up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Window {
    /// An hour, minute by minute.
    Hour,
    /// A day, by quarters of an hour.
    Day,
    /// Seven days, by steps of two hours.
    Week,
    /// Ninety days, day by day (UTC).
    Quarter,
}

impl Window {
    /// All windows, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Quarter];

    /// Returns the name: `1h`, `24h`, `7d` or `90d`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Quarter => "90d",
        }
    }

    /// Returns the length of one step.
    #[must_use]
    pub const fn step(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => MINUTE,
            Self::Day => HOUR / 4,
            Self::Week => 2 * HOUR,
            Self::Quarter => DAY,
        })
    }

    /// Returns the number of steps.
    #[must_use]
    pub const fn steps(self) -> usize {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
            Self::Week => 84,
            Self::Quarter => 90,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Error returned when parsing the name of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time span must be 1h, 24h, 7d or 90d")]
#[non_exhaustive]
pub struct WindowError;

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(name: &str) -> Result<Self, WindowError> {
        Self::ALL.into_iter().find(|window| window.as_str() == name).ok_or(WindowError)
    }
}

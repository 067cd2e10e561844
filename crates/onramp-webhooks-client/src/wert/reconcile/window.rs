//! The time span of a reconciliation.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// The time span of a reconciliation, with both ends. Selects orders by their creation, and deliveries by their arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, i64)", into = "(i64, i64)")]
#[non_exhaustive]
pub struct Window {
    /// The beginning.
    pub since: Timestamp,
    /// The end. Orders within the [grace period](super::Reconciler::grace) are skipped in any case.
    pub until: Timestamp,
}

impl Window {
    /// Creates a window from `since` to `until`.
    #[must_use]
    pub const fn new(since: Timestamp, until: Timestamp) -> Self {
        Self { since, until }
    }

    /// Creates a window of this length that ends at `now`.
    #[must_use]
    pub fn last(length: Duration, now: Timestamp) -> Self {
        Self { since: now.before(length), until: now }
    }

    pub(super) fn contains(self, time: Timestamp) -> bool {
        self.since <= time && time <= self.until
    }
}

/// Serialized as milliseconds.
impl From<(i64, i64)> for Window {
    fn from((since, until): (i64, i64)) -> Self {
        Self::new(Timestamp::from_millis(since), Timestamp::from_millis(until))
    }
}

impl From<Window> for (i64, i64) {
    fn from(window: Window) -> Self {
        (window.since.as_millis(), window.until.as_millis())
    }
}

//! Which time to look at.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// A stretch of time, both ends included: of the orders' creation at the provider, and of the deliveries' arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, i64)", into = "(i64, i64)")]
#[non_exhaustive]
pub struct Window {
    /// Its beginning.
    pub since: Timestamp,
    /// Its end. What is younger than the [grace](super::Reconciler::grace) is left alone anyway.
    pub until: Timestamp,
}

impl Window {
    /// From `since` to `until`.
    #[must_use]
    pub const fn new(since: Timestamp, until: Timestamp) -> Self {
        Self { since, until }
    }

    /// The time of this length that ends at `now`.
    #[must_use]
    pub fn last(length: Duration, now: Timestamp) -> Self {
        Self { since: now.before(length), until: now }
    }

    pub(super) fn contains(self, moment: Timestamp) -> bool {
        self.since <= moment && moment <= self.until
    }
}

/// Written as milliseconds.
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

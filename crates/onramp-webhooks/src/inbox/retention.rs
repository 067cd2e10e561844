//! The retention of what waits for no worker.

use std::time::Duration;

use super::State;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The time for which an inbox keeps deliveries that wait for no worker. What waits is kept for as long as it waits.
///
/// A delivery that is too old loses its body and its note, which hold personal data. Its key stays, so that copies are still
/// recognised; see [`Inbox::prune`](super::Inbox::prune).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Time since the delivery was handled. Default 30 days.
    pub handled: Duration,
    /// Time since the delivery became a dead letter. Default 180 days.
    pub dead: Duration,
    /// Time since the arrival of a delivery in conflict. Default 180 days.
    pub conflict: Duration,
    /// Time since the arrival of a quarantined delivery. Default 90 days. Noise is also limited by
    /// [`QuarantineBound`](super::QuarantineBound).
    pub quarantined: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { handled: DAY * 30, dead: DAY * 180, conflict: DAY * 180, quarantined: DAY * 90 }
    }
}

impl Retention {
    /// Sets how long handled deliveries are kept.
    #[must_use]
    pub const fn handled(mut self, kept: Duration) -> Self {
        self.handled = kept;
        self
    }

    /// Sets how long dead letters are kept.
    #[must_use]
    pub const fn dead(mut self, kept: Duration) -> Self {
        self.dead = kept;
        self
    }

    /// Sets how long deliveries in conflict are kept.
    #[must_use]
    pub const fn conflict(mut self, kept: Duration) -> Self {
        self.conflict = kept;
        self
    }

    /// Sets how long quarantined deliveries are kept.
    #[must_use]
    pub const fn quarantined(mut self, kept: Duration) -> Self {
        self.quarantined = kept;
        self
    }

    /// Returns how long deliveries in `state` are kept, since they were settled or else since they arrived; `None` for ever.
    #[must_use]
    pub const fn of(&self, state: State) -> Option<Duration> {
        match state {
            State::Handled => Some(self.handled),
            State::Dead => Some(self.dead),
            State::Conflict => Some(self.conflict),
            State::Quarantined => Some(self.quarantined),
            _ => None,
        }
    }
}

/// Returns the reason why a delivery in `state` cannot be [forgotten](super::Inbox::forget); `None` if it can.
#[must_use]
pub const fn why_not_forgotten(state: State) -> Option<&'static str> {
    match state {
        State::Handled | State::Dead | State::Conflict | State::Quarantined => None,
        State::Unknown => Some("this version does not know its state"),
        State::Pending | State::Leased | State::Retrying | State::Parked => Some("it still waits to be handled"),
    }
}

//! Resolutions: operators close deliveries that are not to be handled.

use super::State;

/// Returns the reason why a delivery in `state` cannot be [resolved](super::Inbox::resolve); `None` if it can.
#[must_use]
pub const fn why_not_resolved(state: State) -> Option<&'static str> {
    match state {
        State::Dead | State::Conflict | State::Quarantined => None,
        State::Handled => Some("it was handled"),
        State::Unknown => Some("this version does not know its state"),
        State::Pending | State::Leased | State::Retrying | State::Parked => Some("it still waits to be handled"),
    }
}

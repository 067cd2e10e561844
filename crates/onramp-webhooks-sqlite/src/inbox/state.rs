//! The stored numbers of states, as constants for statements.

use onramp_webhooks::inbox::{DeadCause, State};

pub(super) const PENDING: u8 = State::Pending.as_u8();
pub(super) const LEASED: u8 = State::Leased.as_u8();
pub(super) const RETRYING: u8 = State::Retrying.as_u8();
pub(super) const HANDLED: u8 = State::Handled.as_u8();
pub(super) const PARKED: u8 = State::Parked.as_u8();
pub(super) const DEAD: u8 = State::Dead.as_u8();
pub(super) const QUARANTINED: u8 = State::Quarantined.as_u8();
pub(super) const CONFLICT: u8 = State::Conflict.as_u8();
pub(super) const ATTEMPTS_USED_UP: u8 = DeadCause::AttemptsUsedUp.as_u8();

/// The number of a removed delivery. It is no number of a state.
pub(super) const REMOVED: u8 = 254;

/// Declares a statement. Names of constants in braces are replaced by their values, and other names by the conditions given for them.
macro_rules! sql {
    ($visibility:vis $name:ident = $text:literal $(, $part:ident = $of:ident)*) => {
        $visibility static $name: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!($text $(, $part = *$of)*));
    };
}

pub(super) use sql;

// A delivery that was settled after its resolution is open again.
sql!(
    pub(super) RESOLVED = "(d.state IN ({DEAD}, {QUARANTINED}, {CONFLICT}) AND d.resolved_at IS NOT NULL
        AND (d.settled_at IS NULL OR d.resolved_at >= d.settled_at))"
);

// The condition of the index of unresolved deliveries.
sql!(
    pub(super) OPEN = "due_at IS NULL AND waits_at IS NULL AND (cause IS NOT NULL OR settled_at IS NULL)
        AND (resolved_at IS NULL OR resolved_at < settled_at)"
);

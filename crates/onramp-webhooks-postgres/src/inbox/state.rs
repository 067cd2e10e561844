//! The stored numbers of states, as constants for statements.

use onramp_webhooks::inbox::State;

pub(super) const PENDING: u8 = State::Pending.as_u8();
pub(super) const LEASED: u8 = State::Leased.as_u8();
pub(super) const RETRYING: u8 = State::Retrying.as_u8();
pub(super) const PARKED: u8 = State::Parked.as_u8();
pub(super) const HANDLED: u8 = State::Handled.as_u8();
pub(super) const DEAD: u8 = State::Dead.as_u8();
pub(super) const QUARANTINED: u8 = State::Quarantined.as_u8();
pub(super) const CONFLICT: u8 = State::Conflict.as_u8();

/// Declares a statement. Names of constants in braces are replaced by their values, and other names by the statements given for them.
macro_rules! sql {
    ($name:ident = $text:literal $(, $part:ident = $of:ident)*) => {
        static $name: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!($text $(, $part = *$of)*));
    };
}

pub(super) use sql;

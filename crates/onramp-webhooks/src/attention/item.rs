//! Problems: their sentence, their money, and the command that mends them.

use std::fmt;

use crate::error::StoreErrorKind;
use crate::inbox::{DeadCause, Filter, Tally};

/// A problem that needs the attention of an operator.
#[derive(Clone)]
#[non_exhaustive]
pub struct Item {
    /// The kind of problem.
    pub kind: ItemKind,
    /// The deliveries: their number, their times, and the money of completed purchases.
    pub tally: Tally,
    /// `true` if there are more deliveries than were looked at.
    pub has_more: bool,
    /// The error, the order or the reason, without the masked values of bodies. It is data from outside: escape it. May be empty.
    pub detail: String,
    /// The deliveries.
    pub filter: Filter,
    /// The arguments of the program `onramp-webhooks` that mend it, or show more, quoted for a shell.
    pub command: String,
}

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemKind {
    /// Dead letters with the same error.
    DeadLetters {
        /// The cause; `None` if this version does not know it.
        cause: Option<DeadCause>,
    },
    /// Dead letters with errors that are too rare to be listed one by one.
    OtherDeadLetters,
    /// Deliveries that contradict an earlier one. Their tally has no purchases: the first deliveries report them.
    Conflicts,
    /// Quarantined deliveries of a type that reports purchases.
    QuarantinedPurchases,
    /// Other quarantined deliveries.
    Quarantined,
    /// Deliveries that are due, and that no worker handles.
    Overdue,
    /// The inbox cannot record deliveries. Its tally is empty.
    CannotRecord {
        /// The kind of the error.
        error: StoreErrorKind,
    },
    /// The provider's requests to an endpoint are refused. Its tally is empty.
    Refusing,
    /// An endpoint receives nothing. Its tally is empty.
    Silent,
}

impl ItemKind {
    /// Returns the name in JSON: `dead_letters`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeadLetters { .. } => "dead_letters",
            Self::OtherDeadLetters => "other_dead_letters",
            Self::Conflicts => "conflicts",
            Self::QuarantinedPurchases => "quarantined_purchases",
            Self::Quarantined => "quarantined",
            Self::Overdue => "overdue",
            Self::CannotRecord { .. } => "cannot_record",
            Self::Refusing => "refusing",
            Self::Silent => "silent",
        }
    }
}

impl Item {
    /// Returns the problem in words, without its time: `14 dead letters with the same error: attempts used up`.
    #[must_use]
    pub fn title(&self) -> String {
        let number = self.tally.deliveries;
        let more = if self.has_more { "at least " } else { "" };
        let endpoint = self.filter.endpoint.as_deref().unwrap_or_default();
        let of = |one: &str, many: &str| format!("{more}{number} {}", if number == 1 { one } else { many });
        match self.kind {
            ItemKind::DeadLetters { cause } => {
                let cause = cause.map_or("the cause is not known to this version", DeadCause::as_str);
                format!("{}: {cause}", of("dead letter", "dead letters with the same error"))
            }
            ItemKind::OtherDeadLetters => of("dead letter with another error", "dead letters with other errors"),
            ItemKind::Conflicts => of("event contradicts an earlier one", "events contradict earlier ones"),
            ItemKind::QuarantinedPurchases => {
                of("event in quarantine that may report a purchase", "events in quarantine that may report purchases")
            }
            ItemKind::Quarantined => of("delivery in quarantine", "deliveries in quarantine"),
            ItemKind::Overdue => {
                of("delivery is due, and no worker handles it", "deliveries are due, and no worker handles them")
            }
            ItemKind::CannotRecord { error } => format!("the inbox cannot record: {}", error.in_words()),
            ItemKind::Refusing => format!("the requests of the provider to {endpoint} are refused"),
            ItemKind::Silent => format!("{endpoint} is silent: nothing arrives"),
        }
    }
}

/// Leaves out the detail and the command, which may repeat a note of a handler.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("kind", &self.kind).field("tally", &self.tally).finish_non_exhaustive()
    }
}

/// Quotes an argument for a shell. The argument has no control characters.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,".contains(&byte);
    match !argument.is_empty() && argument.bytes().all(is_plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

//! Lookups: by which index a store finds the deliveries of a filter.

use std::fmt;

use super::{Filter, State};
use crate::identity::DedupKey;

/// The index by which a store finds the deliveries of a [`Filter`].
///
/// The index may contain deliveries that the filter does not accept, and contains all others. If it has more than
/// [`Filter::most_searched`] of them, the store looks at all deliveries instead, as far as one page may.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup<'a> {
    /// The delivery with this key.
    Key(&'a DedupKey),
    /// The deliveries with this subject.
    Order(&'a str),
    /// The deliveries whose subject is about this identifier, of any kind and at any endpoint.
    About(&'a str),
    /// Deliveries that wait, and unresolved ones that are dead, quarantined or in conflict.
    Open {
        /// The deliveries that wait.
        waiting: bool,
        /// The unresolved deliveries.
        unresolved: bool,
    },
    /// All deliveries by their ids, in the sequence of the filter.
    All,
}

/// Leaves out identifiers, which may be those of a customer.
impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key"),
            Self::Order(_) => f.write_str("Order"),
            Self::About(_) => f.write_str("About"),
            Self::Open { waiting, unresolved } => {
                f.debug_struct("Open").field("waiting", waiting).field("unresolved", unresolved).finish()
            }
            Self::All => f.write_str("All"),
        }
    }
}

impl<'a> Lookup<'a> {
    pub(super) fn of(filter: &'a Filter) -> Self {
        match filter {
            Filter { key: Some(key), .. } => Self::Key(key),
            Filter { order: Some(subject), .. } => Self::Order(subject),
            Filter { about: Some(id), .. } => Self::About(id),
            Filter { states, cause, resolved, .. } => {
                // Only dead letters have a cause.
                let states = if cause.is_some() { &[State::Dead] } else { states.as_slice() };
                let waiting = states.iter().any(|state| state.waits());
                let unresolved = *resolved == Some(false) && states.iter().any(|state| state.can_be_resolved());
                let is_open = |state: &State| state.waits() || (unresolved && state.can_be_resolved());
                match !states.is_empty() && states.iter().all(is_open) {
                    true => Self::Open { waiting, unresolved },
                    false => Self::All,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_is_found_by_its_state() {
        let open = |waiting, unresolved| Lookup::Open { waiting, unresolved };
        let (dead, parked) = (Filter::all().state(State::Dead), Filter::all().state(State::Parked));
        assert_eq!(dead.lookup(), Lookup::All, "resolved ones are in no index");
        assert_eq!(dead.clone().resolved(true).lookup(), Lookup::All);
        assert_eq!(dead.clone().resolved(false).lookup(), open(false, true));
        assert_eq!(parked.lookup(), open(true, false));
        assert_eq!(parked.clone().state(State::Conflict).resolved(false).lookup(), open(true, true));
        assert_eq!(parked.clone().state(State::Conflict).lookup(), Lookup::All);
        assert_eq!(parked.state(State::Handled).resolved(false).lookup(), Lookup::All);
        assert_eq!(Filter::all().resolved(false).lookup(), Lookup::All, "handled ones are not resolved either");
        let cause = Filter::all().cause(crate::inbox::DeadCause::AttemptsUsedUp);
        assert_eq!(cause.clone().resolved(false).lookup(), open(false, true));
        assert_eq!(cause.lookup(), Lookup::All);
    }

    #[test]
    fn a_key_is_more_exact_than_an_order_and_that_than_an_identifier() {
        let key = DedupKey::new("wert", "order", "A", "x");
        let filter = Filter::all().state(State::Parked).about("A");
        assert_eq!(filter.lookup(), Lookup::About("A"));
        let filter = filter.order("wert/order/A");
        assert_eq!(filter.lookup(), Lookup::Order("wert/order/A"));
        assert_eq!(filter.key(key.clone()).lookup(), Lookup::Key(&key));
    }
}

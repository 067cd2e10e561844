//! What people see of an inbox: its deliveries one by one, filtered, and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::DeliveryId;
use crate::clock::Timestamp;
use crate::event::Provider;
use crate::fingerprint::Fingerprint;
use crate::identity::{DedupKey, Stage};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// Due, and not claimed by any worker.
    Pending,
    /// Claimed by a worker.
    Leased,
    /// Failed, and waits for its next attempt.
    Retrying,
    /// The handler said "not yet".
    Parked,
    /// Done.
    Handled,
    /// A dead letter: attempts used up, or refused for good.
    Dead,
    /// Could not be read.
    Quarantined,
    /// Has the key of another delivery and another body.
    Conflict,
}

impl State {
    /// Every state, in the order of their stored numbers.
    pub const ALL: [Self; 8] =
        [Self::Pending, Self::Leased, Self::Retrying, Self::Parked, Self::Handled, Self::Dead, Self::Quarantined, Self::Conflict];

    /// The number to store.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The state with that stored number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word for it, as operations and metrics use it.
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

/// A word that names no [`State`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state; the states are pending, leased, retrying, parked, handled, dead, quarantined, conflict")]
pub struct UnknownState(String);

/// One delivery as people look at it.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it, and a field it forgets should not compile")]
pub struct Record {
    /// Its id.
    pub id: DeliveryId,
    /// The endpoint it came in at.
    pub endpoint: Arc<str>,
    /// The provider whose rules read it.
    pub provider: Provider,
    /// The event's type as received; `None` when it could not be read.
    pub event_type: Option<String>,
    /// What makes another delivery the same event.
    pub key: Option<DedupKey>,
    /// Its place in its order's life.
    pub stage: Option<Stage>,
    /// Hash of the body.
    pub fingerprint: Fingerprint,
    /// Where it stands.
    pub state: State,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it falls due, or its lease ends; `None` in states that nothing ends by itself.
    pub due_at: Option<Timestamp>,
    /// When it was handled or died.
    pub settled_at: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// Duplicates that came after it.
    pub duplicates: u64,
    /// The last error, or why it is parked, quarantined or in conflict.
    pub note: Option<String>,
    /// The request body, to the byte; `None` in a list, and once it was pruned.
    pub body: Option<Bytes>,
}

impl Record {
    /// Whether no provider sent it, but a reconciliation made it; see [`Delivery::is_synthetic`](crate::Delivery::is_synthetic).
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.fingerprint.is_synthetic()
    }
}

/// Which deliveries to list: those that fit everything that is set, the newest first.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Filter {
    /// In one of these states; empty: in any.
    pub states: Vec<State>,
    /// Came in at this endpoint.
    pub endpoint: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// Whose key is about this: an order id, a transaction, a click or a uuid.
    pub about: Option<String>,
    /// With exactly this key; found without looking at others.
    pub key: Option<DedupKey>,
    /// Older than this one: for the next page.
    pub before: Option<DeliveryId>,
    /// At most so many; `None`: 100.
    pub limit: Option<usize>,
}

impl Filter {
    /// Every delivery, 100 a page.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those in `state` (or in another state that was asked for).
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.states.push(state);
        self
    }

    /// Only those of `endpoint`.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Only those of type `event_type`.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// Only those whose key is about `id`: an order id, a transaction, a click or a uuid.
    #[must_use]
    pub fn about(mut self, id: impl Into<String>) -> Self {
        self.about = Some(id.into());
        self
    }

    /// Only the one with exactly this key; found without looking at others.
    #[must_use]
    pub fn key(mut self, key: DedupKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Only those older than `id`: the next page after a list that ended with it.
    #[must_use]
    pub fn before(mut self, id: DeliveryId) -> Self {
        self.before = Some(id);
        self
    }

    /// At most `limit` deliveries.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The page size in force.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.limit.unwrap_or(100)
    }
}

/// How many deliveries stand where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<State, u64>);

impl Counts {
    /// Deliveries in `state`.
    #[must_use]
    pub fn of(&self, state: State) -> u64 {
        self.0.get(&state).copied().unwrap_or(0)
    }

    /// Every state with its number of deliveries, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (State, u64)> + '_ {
        State::ALL.into_iter().map(|state| (state, self.of(state)))
    }
}

impl FromIterator<(State, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (State, u64)>>(counts: I) -> Self {
        Self(counts.into_iter().filter(|(_, count)| *count > 0).collect())
    }
}

/// How long the bodies of handled deliveries stay. Keys stay as long as they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Time since the delivery was handled.
    pub handled: Duration,
}

impl Retention {
    /// Bodies of deliveries handled longer than `handled` ago go.
    #[must_use]
    pub const fn new(handled: Duration) -> Self {
        Self { handled }
    }
}

impl fmt::Debug for Record {
    /// Leaves out the body and the key, which hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("endpoint", &self.endpoint)
            .field("provider", &self.provider)
            .field("event_type", &self.event_type)
            .field("stage", &self.stage)
            .field("state", &self.state)
            .field("synthetic", &self.is_synthetic())
            .field("received_at", &self.received_at)
            .field("due_at", &self.due_at)
            .field("settled_at", &self.settled_at)
            .field("attempts", &self.attempts)
            .field("duplicates", &self.duplicates)
            .finish_non_exhaustive()
    }
}

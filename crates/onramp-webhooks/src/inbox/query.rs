//! Reading an inbox: records, filters and counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{DeadCause, State};
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::fingerprint::Fingerprint;
use crate::identity::{DedupKey, OrderStage};
use crate::provider::ProviderName;

/// A recorded delivery, for operators.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it, and a field it forgets should not compile")]
pub struct Record {
    /// The id.
    pub id: DeliveryId,
    /// The name of the endpoint that received it.
    pub endpoint: Arc<str>,
    /// The provider that sent it.
    pub provider: ProviderName,
    /// The type of the event as received; `None` if the body could not be read.
    pub event_type: Option<String>,
    /// The dedup key.
    pub key: Option<DedupKey>,
    /// The stage of its order.
    pub stage: Option<OrderStage>,
    /// The hash of the body.
    pub fingerprint: Fingerprint,
    /// The state.
    pub state: State,
    /// The time of arrival.
    pub received_at: Timestamp,
    /// The time at which it is due or its lease ends; `None` in final states.
    pub due_at: Option<Timestamp>,
    /// The time at which it was handled or became a dead letter.
    pub settled_at: Option<Timestamp>,
    /// The cause of a dead letter; `None` in other states, or if this version does not know the cause.
    pub cause: Option<DeadCause>,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The number of its duplicates received so far.
    pub duplicates: u64,
    /// The last error, or the reason why it is parked, quarantined or in conflict.
    pub note: Option<String>,
    /// The exact bytes of the request body; `None` in a list, and after it was pruned.
    pub body: Option<Bytes>,
}

impl Record {
    /// Returns whether a reconciliation created it; see [`Delivery::is_synthetic`](crate::Delivery::is_synthetic).
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.fingerprint.is_synthetic()
    }
}

impl fmt::Debug for Record {
    /// Leaves out the body and the key, which hold personal data. The note has been logged before.
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
            .field("cause", &self.cause)
            .field("attempts", &self.attempts)
            .field("duplicates", &self.duplicates)
            .field("note", &self.note)
            .finish_non_exhaustive()
    }
}

/// A filter for deliveries. A delivery has to meet all conditions that are set.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Filter {
    /// The accepted states. Empty means all states.
    pub states: Vec<State>,
    /// The endpoint that received the delivery.
    pub endpoint: Option<String>,
    /// The type of the event.
    pub event_type: Option<String>,
    /// The identifier that the key is about: an order id, a transaction, a click or a uuid.
    pub about: Option<String>,
    /// The exact key. Uses an index.
    pub key: Option<DedupKey>,
    /// Accepts only deliveries older than this one, for the next page.
    pub before: Option<DeliveryId>,
    /// Page size; `None` means 100.
    pub limit: Option<usize>,
}

impl Filter {
    /// Creates a filter for all deliveries, with 100 on a page.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Adds `state` to the accepted states.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.states.push(state);
        self
    }

    /// Accepts only deliveries of `endpoint`.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Accepts only events of this type.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// Accepts only deliveries with a key about `id`: an order id, a transaction, a click or a uuid.
    #[must_use]
    pub fn about(mut self, id: impl Into<String>) -> Self {
        self.about = Some(id.into());
        self
    }

    /// Accepts only the delivery with exactly this key. Uses an index.
    #[must_use]
    pub fn key(mut self, key: DedupKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Accepts only deliveries older than `id`: the next page after a list that ended with it.
    #[must_use]
    pub fn before(mut self, id: DeliveryId) -> Self {
        self.before = Some(id);
        self
    }

    /// Sets the page size.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns the page size.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.limit.unwrap_or(100)
    }
}

/// The number of deliveries in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<State, u64>);

impl Counts {
    /// Returns the number of deliveries in `state`.
    #[must_use]
    pub fn of(&self, state: State) -> u64 {
        self.0.get(&state).copied().unwrap_or(0)
    }

    /// Returns every state with its number of deliveries, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (State, u64)> + '_ {
        State::ALL.into_iter().map(|state| (state, self.of(state)))
    }
}

/// Adds up several counts of one state.
impl FromIterator<(State, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (State, u64)>>(counts: I) -> Self {
        let mut all = BTreeMap::new();
        for (state, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            *all.entry(state).or_default() += count;
        }
        Self(all)
    }
}

#[cfg(test)]
mod tests {
    use crate::delivery::{NewDelivery, Quarantine};
    use crate::inbox::{Filter, Inbox, MemoryInbox};

    #[tokio::test]
    async fn debug_shows_the_note_and_neither_body_nor_key() {
        let inbox = MemoryInbox::new();
        let mut new = NewDelivery::new("wert", "wert", crate::clock::Timestamp::from_millis(0), r#"{"name":"Ada"}"#.into());
        new.key = Some(crate::identity::DedupKey::new("wert", "click", "click of Ada", "login"));
        new.quarantine = Some(Quarantine::unreadable("order.base: not a string"));
        inbox.record(new).await.unwrap();
        let listed = inbox.list(Filter::all()).await.unwrap();
        let shown = format!("{:?} {:?}", listed[0], inbox.show(listed[0].id).await.unwrap());
        assert_eq!(shown.matches("order.base: not a string").count(), 2);
        assert!(!shown.contains("Ada"), "{shown}");
    }
}

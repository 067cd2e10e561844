//! Reading an inbox: records and counts.

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
    /// The time at which the key expires; `None` if it never does.
    pub key_expires_at: Option<Timestamp>,
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
    /// The time at which an operator [resolved](super::Inbox::resolve) it; `None` if it is not resolved.
    pub resolved_at: Option<Timestamp>,
    /// The note of that operator.
    pub resolution: Option<String>,
    /// The exact bytes of the request body; `None` in a list, and after it was pruned.
    pub body: Option<Bytes>,
}

impl Record {
    /// Returns whether its handler may have succeeded although it is a dead letter: the cause says so, or this version does not know the cause.
    #[must_use]
    pub fn has_unknown_result(&self) -> bool {
        self.state == State::Dead && matches!(self.cause, None | Some(DeadCause::TransactionEnded))
    }

    /// Returns whether a reconciliation created it; see [`Delivery::is_synthetic`](crate::Delivery::is_synthetic).
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.fingerprint.is_synthetic()
    }

    /// Returns the time since which a waiting delivery is due, or from which on it will be; `None` in other states.
    #[must_use]
    pub fn waits_until(&self) -> Option<Timestamp> {
        self.state.waits().then(|| self.due_at.unwrap_or(self.received_at))
    }
}

impl fmt::Debug for Record {
    /// Leaves out the body, the key and the note of an operator, which hold personal data. The note of the delivery has been logged before.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("endpoint", &self.endpoint)
            .field("provider", &self.provider)
            .field("event_type", &self.event_type)
            .field("key_expires_at", &self.key_expires_at)
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
            .field("resolved_at", &self.resolved_at)
            .finish_non_exhaustive()
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
        let listed = inbox.list(Filter::all()).await.unwrap().records;
        let shown = format!("{:?} {:?}", listed[0], inbox.show(listed[0].id).await.unwrap());
        assert_eq!(shown.matches("order.base: not a string").count(), 2);
        assert!(!shown.contains("Ada"), "{shown}");
    }
}

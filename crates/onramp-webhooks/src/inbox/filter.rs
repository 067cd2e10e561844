//! Filters: which deliveries a list contains, and in what sequence.

use std::fmt;

use super::{DeadCause, Lookup, Page, Record, State};
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::identity::DedupKey;
use crate::provider::ProviderName;

/// The maximum number of deliveries that are looked at for one page.
const MOST_SEARCHED: usize = 50_000;

/// The total size of the bodies after which a page ends, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// A filter for deliveries. A delivery has to meet all conditions that are set.
///
/// A list with a filter is read [page by page](Page). These filters find their deliveries by an index, however many others are kept: a
/// [key](Self::key), an [order](Self::order), an [identifier](Self::about), and [states](Self::state) that wait, or that are dead,
/// quarantined or in conflict and [not resolved](Self::resolved). With any other filter, deliveries are looked at one after another.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Filter {
    /// The accepted states. Empty means all states.
    pub states: Vec<State>,
    /// The endpoint that received the delivery.
    pub endpoint: Option<String>,
    /// The provider that sent the delivery.
    pub provider: Option<ProviderName>,
    /// The type of the event.
    pub event_type: Option<String>,
    /// The identifier that the key is about: an order id, a transaction, a click or a uuid.
    pub about: Option<String>,
    /// The exact subject of the key.
    pub order: Option<String>,
    /// The exact key.
    pub key: Option<DedupKey>,
    /// The cause of dead letters.
    pub cause: Option<DeadCause>,
    /// A text that the note contains.
    pub error: Option<String>,
    /// The earliest time of arrival.
    pub since: Option<Timestamp>,
    /// The time before which the delivery arrived.
    pub until: Option<Timestamp>,
    /// `true` accepts only deliveries that an operator resolved, and `false` only others.
    pub resolved: Option<bool>,
    /// Accepts only deliveries older than this one.
    pub before: Option<DeliveryId>,
    /// Accepts only deliveries newer than this one.
    pub after: Option<DeliveryId>,
    /// The sequence of the list: `true` for the oldest first.
    pub oldest_first: bool,
    /// Page size; `None` means 100.
    pub limit: Option<usize>,
    /// Maximum number of deliveries that are looked at for one page; `None` means 50 000, which is also the maximum.
    pub search_limit: Option<usize>,
    /// Reads the bodies, too.
    pub bodies: bool,
}

/// Leaves out identifiers and texts, which may be those of a customer.
impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("states", &self.states)
            .field("endpoint", &self.endpoint)
            .field("provider", &self.provider)
            .field("event_type", &self.event_type)
            .field("by_identifier", &(self.about.is_some() || self.order.is_some() || self.key.is_some()))
            .field("by_error", &self.error.is_some())
            .field("cause", &self.cause)
            .field("since", &self.since)
            .field("until", &self.until)
            .field("resolved", &self.resolved)
            .field("before", &self.before)
            .field("after", &self.after)
            .field("oldest_first", &self.oldest_first)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Filter {
    /// Creates a filter for all deliveries, the newest first, with 100 on a page.
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

    /// Accepts only deliveries that `provider` sent.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<ProviderName>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Accepts only events of this type.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// Accepts only deliveries with a key about `id`: an order id, a transaction, a click or a uuid, at any endpoint. Uses an index.
    #[must_use]
    pub fn about(mut self, id: impl Into<String>) -> Self {
        self.about = Some(id.into());
        self
    }

    /// Accepts only deliveries with this [subject](DedupKey::subject), such as all events of one order. Uses an index.
    #[must_use]
    pub fn order(mut self, subject: impl Into<String>) -> Self {
        self.order = Some(subject.into());
        self
    }

    /// Accepts only the delivery with exactly this key. Uses an index.
    #[must_use]
    pub fn key(mut self, key: DedupKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Accepts only dead letters with this cause.
    #[must_use]
    pub fn cause(mut self, cause: DeadCause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Accepts only deliveries whose note contains `text`, with the same case.
    #[must_use]
    pub fn error(mut self, text: impl Into<String>) -> Self {
        self.error = Some(text.into());
        self
    }

    /// Accepts only deliveries that arrived at `since` or later.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Accepts only deliveries that arrived before `until`.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Accepts only deliveries that an operator [resolved](super::Inbox::resolve), or only those that none has resolved.
    #[must_use]
    pub fn resolved(mut self, resolved: bool) -> Self {
        self.resolved = Some(resolved);
        self
    }

    /// Accepts only deliveries older than `id`.
    #[must_use]
    pub fn before(mut self, id: DeliveryId) -> Self {
        self.before = Some(id);
        self
    }

    /// Accepts only deliveries newer than `id`.
    #[must_use]
    pub fn after(mut self, id: DeliveryId) -> Self {
        self.after = Some(id);
        self
    }

    /// Lists the oldest deliveries first.
    #[must_use]
    pub fn oldest_first(mut self) -> Self {
        self.oldest_first = true;
        self
    }

    /// Sets the page size. A page of size zero is empty.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Limits the number of deliveries that are looked at for one page. At most 50 000.
    #[must_use]
    pub fn search_limit(mut self, deliveries: usize) -> Self {
        self.search_limit = Some(deliveries);
        self
    }

    /// Reads deliveries with their bodies. A page ends with the body that reaches 4 MiB in all.
    #[must_use]
    pub fn with_bodies(mut self) -> Self {
        self.bodies = true;
        self
    }

    /// Returns the filter for the page that follows `page`; `None` after the last page.
    #[must_use]
    pub fn following(mut self, page: &Page) -> Option<Self> {
        let next = page.next?;
        if self.oldest_first {
            self.after = Some(next);
        } else {
            self.before = Some(next);
        }
        Some(self)
    }

    /// Returns the page size.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.limit.unwrap_or(100)
    }

    /// Returns the maximum number of deliveries that a store looks at for one page, from 1 to 50 000.
    #[must_use]
    pub fn most_searched(&self) -> usize {
        self.search_limit.unwrap_or(MOST_SEARCHED).clamp(1, MOST_SEARCHED)
    }

    /// Returns whether a page ends whose bodies have so many bytes in all.
    #[must_use]
    pub const fn is_full_of(&self, bytes: usize) -> bool {
        bytes >= MOST_BYTES
    }

    /// Returns whether a delivery meets all conditions.
    #[must_use]
    pub fn accepts(&self, record: &Record) -> bool {
        self.is_in_range(record.id)
            && (self.states.is_empty() || self.states.contains(&record.state))
            && self.endpoint.as_deref().is_none_or(|endpoint| *endpoint == *record.endpoint)
            && self.provider.as_ref().is_none_or(|provider| *provider == record.provider)
            && self.event_type.as_ref().is_none_or(|event_type| record.event_type.as_ref() == Some(event_type))
            && self.accepts_key(record.key.as_ref())
            && self.cause.is_none_or(|cause| record.state == State::Dead && record.cause == Some(cause))
            && self.error.as_ref().is_none_or(|text| record.note.as_ref().is_some_and(|note| note.contains(text)))
            && self.since.is_none_or(|since| since <= record.received_at)
            && self.until.is_none_or(|until| record.received_at < until)
            && self.resolved.is_none_or(|resolved| record.resolved_at.is_some() == resolved)
    }

    /// Returns whether an id is older than [`before`](Self::before) and newer than [`after`](Self::after).
    #[must_use]
    pub fn is_in_range(&self, id: DeliveryId) -> bool {
        self.before.is_none_or(|before| id < before) && self.after.is_none_or(|after| after < id)
    }

    fn accepts_key(&self, key: Option<&DedupKey>) -> bool {
        let fits = |condition: &dyn Fn(&DedupKey) -> bool| key.is_some_and(condition);
        self.about.as_deref().is_none_or(|id| fits(&|key| key.is_about(id)))
            && self.order.as_deref().is_none_or(|subject| fits(&|key| key.subject() == subject))
            && self.key.as_ref().is_none_or(|wanted| key == Some(wanted))
    }

    /// Returns how a store finds the deliveries.
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        Lookup::of(self)
    }
}

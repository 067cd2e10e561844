//! What the handler is given.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::event::{self, DecodeError, Event, Provider, RawJson};
use crate::identity::DedupKey;
use crate::inbox::{ClaimedDelivery, DeliveryId};

/// One accepted `POST` on its way through a [`Handler`](crate::Handler): the typed event, the raw bytes, and its history.
#[derive(Clone)]
pub struct Delivery {
    event: Event,
    claimed: ClaimedDelivery,
}

impl Delivery {
    /// Reads the event of a claimed delivery.
    ///
    /// # Errors
    /// When this version cannot read what another one recorded.
    pub fn read(claimed: ClaimedDelivery) -> Result<Self, DecodeError> {
        Ok(Self { event: Event::decode(claimed.provider, &claimed.body)?, claimed })
    }

    /// The typed event.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// The request body, to the byte.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.claimed.body
    }

    /// A value of the body by JSON pointer (RFC 6901), exactly as it was sent; for fields that the model does not know.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<RawJson> {
        event::pointer(&self.claimed.body, pointer)
    }

    /// Its id in the inbox.
    #[must_use]
    pub const fn id(&self) -> DeliveryId {
        self.claimed.lease.id
    }

    /// The name of the endpoint it came in at.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<str> {
        &self.claimed.endpoint
    }

    /// Who sent it.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.claimed.provider
    }

    /// What makes another delivery the same event: a good name for whatever the handler writes, because it is the same at every
    /// attempt. `None` for events that are never the same, like the dashboard's test, and for those whose key has stopped counting while
    /// they waited. A conflict that a person replays has a key of its own.
    #[must_use]
    pub const fn key(&self) -> Option<&DedupKey> {
        self.claimed.key.as_ref()
    }

    /// When it arrived.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.claimed.received_at
    }

    /// 1 for the first attempt. One that a crash cut short does not count.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.claimed.attempt
    }

    /// Whether a later state of its order has been handled already: a `payment_started` after its `order_complete`. Do not
    /// overwrite what you know with it.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.claimed.stale
    }

    /// Whether no provider sent it: it was made here, by a reconciliation, from what the provider's API told of a completed order whose
    /// event had not come. It has fewer fields than a real one, and amounts as the API rounds them. No sender can make a delivery look
    /// like this.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        self.claimed.fingerprint.is_synthetic()
    }

    /// How many duplicates came after it.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.claimed.duplicates
    }
}

impl fmt::Debug for Delivery {
    /// Leaves out the event and the raw bytes, which hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id())
            .field("endpoint", self.endpoint())
            .field("type", &self.event.type_label())
            .field("attempt", &self.attempt())
            .field("stale", &self.is_stale())
            .field("synthetic", &self.is_synthetic())
            .finish_non_exhaustive()
    }
}

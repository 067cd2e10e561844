//! What the receiver hands to an inbox, and what the inbox says became of it.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::event::Provider;
use crate::fingerprint::Fingerprint;
use crate::identity::{DedupKey, Stage};

/// Names one delivery within its inbox. Ids grow with the order of arrival and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(i64);

impl DeliveryId {
    /// An id from its stored number.
    #[must_use]
    pub const fn from_i64(id: i64) -> Self {
        Self(id)
    }

    /// The number to store.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DeliveryId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A request body that was accepted, with what was read from it.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewDelivery {
    /// The name of the endpoint it came in at.
    pub endpoint: Arc<str>,
    /// The provider whose rules read it.
    pub provider: Provider,
    /// The event's type as received; `None` when it could not be read.
    pub event_type: Option<String>,
    /// What makes another delivery the same event; `None`: nothing does.
    pub key: Option<DedupKey>,
    /// When `key` stops counting; `None`: never.
    pub key_expires_at: Option<Timestamp>,
    /// Its place in its order's life; `None`: it belongs to no order.
    pub stage: Option<Stage>,
    /// Hash of the body.
    pub fingerprint: Fingerprint,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The request body, to the byte.
    pub body: Bytes,
    /// Why it waits for a human or a newer version instead of the handler; `None`: it is due at once.
    pub quarantine: Option<Quarantine>,
}

impl NewDelivery {
    /// A delivery that could be read and is due at once, without key and order.
    #[must_use]
    pub fn new(endpoint: impl Into<Arc<str>>, provider: Provider, received_at: Timestamp, body: Bytes) -> Self {
        Self::with_fingerprint(Fingerprint::of(&body), endpoint.into(), provider, received_at, body)
    }

    pub(crate) fn with_fingerprint(
        fingerprint: Fingerprint,
        endpoint: Arc<str>,
        provider: Provider,
        received_at: Timestamp,
        body: Bytes,
    ) -> Self {
        Self {
            endpoint,
            provider,
            event_type: None,
            key: None,
            key_expires_at: None,
            stage: None,
            fingerprint,
            received_at,
            body,
            quarantine: None,
        }
    }
}

/// Why a delivery could not be given to the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantine {
    /// What could not be read, without the body's own words.
    pub reason: String,
    /// Whether no version could read it (not JSON, cut off): the oldest of these go when the inbox's bound is reached.
    pub junk: bool,
}

impl Quarantine {
    /// A body of a known provider that this version does not understand: kept until somebody replays it.
    #[must_use]
    pub fn misfit(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), junk: false }
    }

    /// A body that no version could read: kept within the inbox's bound.
    #[must_use]
    pub fn junk(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), junk: true }
    }
}

/// How much junk an inbox keeps; whichever limit is reached first, the oldest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuarantineBound {
    /// Deliveries; default 1 000.
    pub deliveries: u32,
    /// Bytes of bodies; default 64 MiB.
    pub bytes: u64,
}

impl Default for QuarantineBound {
    fn default() -> Self {
        Self { deliveries: 1_000, bytes: 64 << 20 }
    }
}

impl QuarantineBound {
    /// At most `deliveries` with at most `bytes` bytes of bodies.
    #[must_use]
    pub const fn new(deliveries: u32, bytes: u64) -> Self {
        Self { deliveries, bytes }
    }
}

/// What became of a delivery that is now on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// The first of its key.
    New(DeliveryId),
    /// Its event was known; counted on the first.
    Duplicate {
        /// The delivery that holds the event.
        first: DeliveryId,
        /// The first had failed or was dead, and is due again because of this.
        rearmed: bool,
    },
    /// Its key was known with another fingerprint; kept beside the first and not handled.
    Conflict {
        /// The delivery that holds the key.
        first: DeliveryId,
        /// Where this one is kept.
        kept: DeliveryId,
    },
    /// The inbox that decides is away: kept in a [spill](super::spill) until it is back and says what this is.
    Spilled,
}

impl fmt::Debug for NewDelivery {
    /// Leaves out the body and the key, which hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDelivery")
            .field("endpoint", &self.endpoint)
            .field("provider", &self.provider)
            .field("event_type", &self.event_type)
            .field("stage", &self.stage)
            .field("fingerprint", &self.fingerprint)
            .field("received_at", &self.received_at)
            .field("quarantine", &self.quarantine)
            .finish_non_exhaustive()
    }
}

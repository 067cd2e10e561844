//! New deliveries, as a receiver passes them to an inbox.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;
use crate::identity::{DedupKey, OrderStage};
use crate::provider::ProviderName;

/// The id of a delivery in its inbox. Ids grow in the order of arrival and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(i64);

impl DeliveryId {
    /// Creates an id from its stored number.
    #[must_use]
    pub const fn from_i64(id: i64) -> Self {
        Self(id)
    }

    /// Returns the number to store.
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

/// An accepted request body and the data read from it.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewDelivery {
    /// The name of the endpoint that received it.
    pub endpoint: Arc<str>,
    /// The provider that sent it.
    pub provider: ProviderName,
    /// The type of the event as received; `None` if the body could not be read.
    pub event_type: Option<String>,
    /// The dedup key; `None` if the delivery is never a duplicate.
    pub key: Option<DedupKey>,
    /// The time at which `key` expires; `None` if it never does.
    pub key_expires_at: Option<Timestamp>,
    /// The time after the arrival of the first delivery with `key` for which the same content is a duplicate. Afterwards it is a
    /// conflict. `None` if it always is a duplicate.
    pub duplicate_within: Option<Duration>,
    /// The stage of its order; `None` if it belongs to no order.
    pub stage: Option<OrderStage>,
    /// The hash of the body, and the digest of the event's money.
    pub fingerprint: Fingerprint,
    /// The time of arrival.
    pub received_at: Timestamp,
    /// The exact bytes of the request body.
    pub body: Bytes,
    /// The reason for quarantine; `None` if the delivery is due at once.
    pub quarantine: Option<Quarantine>,
}

impl NewDelivery {
    /// Creates a readable delivery that is due at once, without a key or an order.
    #[must_use]
    pub fn new(endpoint: impl Into<Arc<str>>, provider: impl Into<ProviderName>, received_at: Timestamp, body: Bytes) -> Self {
        Self::with_fingerprint(Fingerprint::of(&body).with_money(&[]), endpoint.into(), provider.into(), received_at, body)
    }

    pub(crate) fn with_fingerprint(
        fingerprint: Fingerprint,
        endpoint: Arc<str>,
        provider: ProviderName,
        received_at: Timestamp,
        body: Bytes,
    ) -> Self {
        Self {
            endpoint,
            provider,
            event_type: None,
            key: None,
            key_expires_at: None,
            duplicate_within: None,
            stage: None,
            fingerprint,
            received_at,
            body,
            quarantine: None,
        }
    }
}

impl NewDelivery {
    /// Returns whether the delivery is a duplicate of the first one with its key, and not a conflict.
    #[must_use]
    pub fn repeats(&self, first: &Fingerprint, first_received_at: Timestamp) -> bool {
        let is_in_time = self.duplicate_within.is_none_or(|limit| self.received_at.since(first_received_at) <= limit);
        is_in_time && first.is_repeated_by(&self.fingerprint)
    }
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

/// The reason why a delivery cannot be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantine {
    /// The reason, without values of the body.
    pub reason: String,
    /// `true` if no version can read the body (not JSON, or cut off). An inbox keeps a limited amount of noise and removes the
    /// oldest.
    pub noise: bool,
}

impl Quarantine {
    /// Quarantines a body that this version cannot read. It is kept until it is replayed.
    #[must_use]
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), noise: false }
    }

    /// Quarantines a body that no version can read. It is removed when the inbox's limit of noise is exceeded.
    #[must_use]
    pub fn noise(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), noise: true }
    }
}

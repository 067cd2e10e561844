//! A worker's time-limited claim on deliveries, and how it ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::DeliveryId;
use crate::clock::Timestamp;
use crate::event::Provider;
use crate::fingerprint::Fingerprint;
use crate::identity::DedupKey;

/// A worker's claim on one delivery. The fencing token grows with every claim, so that a worker which lost its lease cannot
/// settle what another one holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Lease {
    /// The delivery.
    pub id: DeliveryId,
    /// The fencing token.
    pub fence: i64,
}

impl Lease {
    /// The lease on `id` with fencing token `fence`.
    #[must_use]
    pub const fn new(id: DeliveryId, fence: i64) -> Self {
        Self { id, fence }
    }
}

/// How much a worker wants, and for how long.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// At most this many deliveries.
    pub limit: usize,
    /// How long the leases last unless renewed.
    pub lease: Duration,
}

impl ClaimRequest {
    /// At most `limit` deliveries, for `lease`.
    #[must_use]
    pub const fn new(limit: usize, lease: Duration) -> Self {
        Self { limit, lease }
    }
}

/// What a claim brought.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Claims {
    /// The deliveries, first received first; never two of one order.
    pub deliveries: Vec<ClaimedDelivery>,
    /// When the next waiting, parked or leased delivery falls due; `None`: none waits.
    pub next_due: Option<Timestamp>,
}

impl Claims {
    /// What a store answers.
    #[must_use]
    pub fn new(deliveries: Vec<ClaimedDelivery>, next_due: Option<Timestamp>) -> Self {
        Self { deliveries, next_due }
    }
}

/// A delivery on its way to the handler.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it, and a field it forgets should not compile")]
pub struct ClaimedDelivery {
    /// The claim.
    pub lease: Lease,
    /// One more than the attempts that came to an end since the delivery was recorded or armed again.
    pub attempt: u32,
    /// A later state of its order has been handled already.
    pub stale: bool,
    /// How many duplicates came after it.
    pub duplicates: u64,
    /// The endpoint it came in at.
    pub endpoint: Arc<str>,
    /// The provider whose rules read it.
    pub provider: Provider,
    /// What makes it the same event as another.
    pub key: Option<DedupKey>,
    /// Hash of the body.
    pub fingerprint: Fingerprint,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The request body, to the byte.
    pub body: Bytes,
}

/// The end of one lease.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settlement {
    /// The claim that ends.
    pub lease: Lease,
    /// What comes after it.
    pub outcome: Settled,
}

impl Settlement {
    /// Ends `lease` with `outcome`.
    #[must_use]
    pub const fn new(lease: Lease, outcome: Settled) -> Self {
        Self { lease, outcome }
    }
}

/// What comes after a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// Done, for good.
    Handled,
    /// Failed; due again at `at`.
    Retry {
        /// When.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// "Not yet"; due again at `until`, and the attempt does not count.
    Parked {
        /// When.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Attempts used up, or refused for good: a dead letter.
    Dead {
        /// Why.
        error: String,
    },
    /// Never reached the handler, or was cut off by a shutdown: due at once, and the attempt does not count.
    Released,
}

impl fmt::Debug for ClaimedDelivery {
    /// Leaves out the body and the key, which hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedDelivery")
            .field("lease", &self.lease)
            .field("attempt", &self.attempt)
            .field("stale", &self.stale)
            .field("endpoint", &self.endpoint)
            .field("provider", &self.provider)
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

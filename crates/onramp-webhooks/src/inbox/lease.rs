//! Leases: time-limited claims of workers on deliveries, and their settlement.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::DeadCause;
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::fingerprint::Fingerprint;
use crate::identity::{DedupKey, OrderStage};
use crate::provider::ProviderName;

/// A worker's time-limited claim on one delivery.
///
/// The fencing token grows with every claim, so that a worker that has lost its lease cannot settle a delivery that another worker
/// holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Lease {
    /// The delivery.
    pub id: DeliveryId,
    /// The fencing token.
    pub fence: i64,
}

impl Lease {
    /// Creates the lease on `id` with fencing token `fence`.
    #[must_use]
    pub const fn new(id: DeliveryId, fence: i64) -> Self {
        Self { id, fence }
    }
}

/// A leased delivery, as a store passes it to a worker.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it, and a field it forgets should not compile")]
pub struct ClaimedDelivery {
    /// The lease.
    pub lease: Lease,
    /// The number of the attempt: one more than the attempts that ended since the delivery was recorded or requeued.
    pub attempt: u32,
    /// The number of its latest claims that ended with neither a settlement nor a release.
    pub lost_claims: u32,
    /// The stage of its order; `None` if it belongs to none.
    pub stage: Option<OrderStage>,
    /// `true` if a later stage of its order has been handled already.
    pub stale: bool,
    /// The number of its duplicates received so far.
    pub duplicates: u64,
    /// The name of the endpoint that received it.
    pub endpoint: Arc<str>,
    /// The provider that sent it.
    pub provider: ProviderName,
    /// The dedup key.
    pub key: Option<DedupKey>,
    /// The hash of the body.
    pub fingerprint: Fingerprint,
    /// The time of arrival.
    pub received_at: Timestamp,
    /// The exact bytes of the request body.
    pub body: Bytes,
    /// The next deliveries of its order, if the claim was made [with those behind](super::ClaimRequest::with_behind). They are leased,
    /// too, and are to be handled one after another, after this one.
    pub behind: Vec<ClaimedDelivery>,
}

/// The end of a lease.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settlement {
    /// The lease that ends.
    pub lease: Lease,
    /// The outcome.
    pub outcome: Settled,
}

impl Settlement {
    /// Creates the end of `lease` with `outcome`.
    #[must_use]
    pub const fn new(lease: Lease, outcome: Settled) -> Self {
        Self { lease, outcome }
    }
}

/// The outcome of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// Handled.
    Handled,
    /// Failed and due again at `at`.
    Retry {
        /// The time of the next attempt.
        at: Timestamp,
        /// The reason.
        error: String,
    },
    /// Not ready yet: due again at `until`, and the attempt does not count.
    Parked {
        /// The time of the next attempt.
        until: Timestamp,
        /// The reason.
        reason: String,
    },
    /// A dead letter.
    Dead {
        /// The cause.
        cause: DeadCause,
        /// The error of the last attempt.
        error: String,
    },
    /// Released before the handler ended: due at once, and the attempt does not count.
    Released,
}

impl Settled {
    /// Returns the cause of a dead letter.
    #[must_use]
    pub const fn cause(&self) -> Option<DeadCause> {
        match self {
            Self::Dead { cause, .. } => Some(*cause),
            _ => None,
        }
    }
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

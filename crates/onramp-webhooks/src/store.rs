//! Types for authors of stores.
//!
//! A store implements one or more of [`Inbox`], [`TransactionalInbox`], [`IdempotencyStore`], [`PurchaseStore`] and [`SpillStore`]. The
//! docs of each trait contain a small working implementation. The conformance suites of `onramp-webhooks-testkit` test an
//! implementation.

pub use crate::clock::Timestamp;
pub use crate::error::{StoreError, StoreErrorKind};
pub use crate::fingerprint::Fingerprint;
pub use crate::idempotency::{ABANDONED, IdempotencyKey, IdempotencyStore, KeyLease, KeyState};
pub use crate::identity::{DedupKey, OrderStage};
pub use crate::inbox::{
    ClaimRequest, ClaimedDelivery, Claims, Counts, DeliveryId, Filter, Inbox, Lease, NewDelivery, Quarantine, QuarantineBound,
    Record, Recorded, Replayed, Retention, Settled, Settlement, State, TransactionalInbox, conflict_note,
};
pub use crate::provider::ProviderName;
pub use crate::purchases::{Purchase, PurchaseStatus, PurchaseStore};
pub use crate::spill::{MovingLock, SpillCounts, SpillId, SpillStore};

//! Types for authors of stores.
//!
//! | trait | stores | purpose |
//! | --- | --- | --- |
//! | [`Inbox`] | deliveries | needed by every receiver and worker |
//! | [`TransactionalInbox`] | deliveries | an inbox that shares its transactions with handlers |
//! | [`IdempotencyStore`] | keys and replies | needed by the [idempotency](crate::idempotency) middleware |
//! | [`PurchaseStore`] | started purchases | needed by the check [`KnownPurchases`](crate::purchases::KnownPurchases) |
//! | [`PurchaseInbox`] | deliveries and started purchases | an inbox that includes a [`PurchaseStore`] |
//! | [`SpillStore`] | deliveries on the local disk | needed by a [spill](crate::spill) |
//!
//! The docs of each trait contain a small working implementation to start from. The conformance suites of `onramp-webhooks-testkit` test
//! an implementation.

#[doc(inline)]
pub use crate::clock::Timestamp;
pub use crate::error::{StoreError, StoreErrorKind};
#[doc(inline)]
pub use crate::fingerprint::Fingerprint;
#[doc(inline)]
pub use crate::idempotency::{ABANDONED_AFTER, IdempotencyKey, IdempotencyStore, KeyLease, KeyState};
#[doc(inline)]
pub use crate::identity::{DedupKey, OrderStage};
#[doc(inline)]
pub use crate::inbox::{
    Candidate, Candidates, ClaimRequest, ClaimedDelivery, Claims, Counts, DeadCause, DeliveryId, Filter, HistoryEntry,
    HistoryKind, Inbox, Lease, Lookup, NewDelivery, Page, Quarantine, QuarantineBound, Record, Recorded, Replayed, Requeue,
    Restored, Retention, SUSPECT_AFTER, Settled, Settlement, State, TaskState, TransactionalInbox, conflict_note, restorable,
    why_not_forgotten, why_not_resolved,
};
#[doc(inline)]
pub use crate::provider::ProviderName;
#[doc(inline)]
pub use crate::purchases::{Purchase, PurchaseInbox, PurchaseStatus, PurchaseStore};
#[doc(inline)]
pub use crate::spill::{MovingLock, SpillCounts, SpillId, SpillStore};

//! The durable store of deliveries, between the receiver and the worker.
//!
//! [`Inbox`] is the contract that every store keeps. [`MemoryInbox`] keeps it for tests and try-outs; `onramp-webhooks-sqlite`
//! keeps it on disk.

mod delivery;
mod lease;
mod memory;
mod record;
mod replay;
mod shared;
pub mod spill;
mod synthetic;
mod transactional;

use std::fmt;

use async_trait::async_trait;

pub use self::delivery::{DeliveryId, NewDelivery, Quarantine, QuarantineBound, Recorded};
pub use self::lease::{ClaimRequest, ClaimedDelivery, Claims, Lease, Settled, Settlement};
pub use self::memory::MemoryInbox;
pub use self::record::{Counts, Filter, Record, Retention, State, UnknownState};
pub use self::replay::{ReplayScope, Replayed, replay, replay_all};
pub use self::synthetic::SyntheticError;
pub use self::transactional::TransactionalInbox;
use crate::clock::Timestamp;
#[cfg(doc)]
use crate::fingerprint::Fingerprint;
use crate::store_error::StoreError;

/// A durable store of deliveries.
///
/// Every method is one atomic step: it happened, durably, when it returns `Ok`; nothing happened when it returns an error. A
/// call that is dropped before it returns may or may not have happened.
///
/// Time comes from the caller, so that a store needs no clock.
#[async_trait]
pub trait Inbox: fmt::Debug + Send + Sync + 'static {
    /// Keeps a delivery.
    ///
    /// With a key that is not in the inbox, or whose time ([`NewDelivery::key_expires_at`]) is over, it is new: pending, or
    /// quarantined when it says so. With a known key and the same fingerprint it is a duplicate: counted on the first, and when
    /// the first is retrying or dead, that one falls due at once with a fresh count of attempts. With a known key and another
    /// fingerprint it is kept as a conflict, under [`DedupKey::conflicting`](crate::identity::DedupKey::conflicting). Which of these it
    /// is, and that one that was really sent replaces the body of one that was not, [`Fingerprint::repeated_by`] says.
    /// Afterwards, the oldest junk beyond the quarantine's bound is gone.
    ///
    /// # Errors
    /// When the delivery could not be made durable.
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError>;

    /// Leases deliveries that are due: pending ones, and retrying, parked or leased ones whose time has come; first received
    /// first. Never one whose order has another leased delivery, and never two of one order.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError>;

    /// Makes leases last until `until`, and answers those that had been lost.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError>;

    /// Ends leases, and answers those that had been lost: another worker holds the delivery, or has settled it, and nothing
    /// changed for it.
    ///
    /// # Errors
    /// When the store cannot be written; then no lease ended.
    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError>;

    /// Returns soon after something fell due through this very object, however long ago; a worker that waits for it sleeps
    /// until then. It may return for nothing, and needs not return for what other processes wrote. Cancel-safe.
    async fn wait_for_work(&self);

    /// Whether a delivery could be recorded now.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self) -> Result<(), StoreError>;

    /// The deliveries that fit `filter`, newest first, without their bodies.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError>;

    /// One delivery with its body; `None` when there is none with that id.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError>;

    /// How many deliveries stand where.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// The store's half of [`replay`], which people call: makes a delivery that is still in the state `seen` pending, with a fresh
    /// count of attempts. With
    /// `reread`, its type, key and order become those of `reread` first; when that key is known already, the delivery goes (same
    /// fingerprint) or becomes a conflict (another one).
    ///
    /// # Errors
    /// [`NotFound`](crate::StoreErrorKind::NotFound); [`Refused`](crate::StoreErrorKind::Refused) when a worker holds it, its body was pruned, or it is in
    /// another state by now;
    /// when the store cannot be written.
    async fn rearm(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError>;

    /// Removes the bodies of deliveries handled longer ago than `retention`, and whole deliveries once their key does not count
    /// any more; a bounded number a call. Answers how many it removed; zero: nothing is left to prune.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError>;
}

/// What every store writes into the note of a conflict.
#[must_use]
pub fn conflict_note(first: DeliveryId) -> String {
    format!("contradicts delivery {first}, which came first")
}

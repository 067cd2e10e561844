//! The contract of inboxes.

use std::fmt;

use async_trait::async_trait;

use super::{
    ClaimRequest, Claims, Counts, Filter, HistoryEntry, Lease, Page, Record, Recorded, Replayed, Requeue, Restored, Retention,
    Settlement, Space, SpillStatus, TaskState,
};
use crate::clock::Timestamp;
use crate::delivery::{DeliveryId, NewDelivery};
use crate::error::StoreError;

/// A durable store of deliveries.
///
/// Every method is atomic: it has taken full effect, durably, when it returns `Ok`, and has had no effect when it returns an error.
/// A dropped call may or may not have taken effect. The caller passes the time, so a store needs no clock.
///
/// # The queue
/// A delivery *waits* while it is pending, leased, retrying or parked. Each order has one *head*, the only one of its waiting
/// deliveries that can be claimed; a delivery without an order is a head by itself. Costs must not grow with the number of deliveries
/// that are handled or that wait behind a head.
///
/// - An order is identified by the subject of the key, for deliveries with a [stage](NewDelivery::stage).
/// - The head of an order is its leased delivery, the first if there are several. Without one, it is the oldest delivery that was never settled, or the one that is
///   due again first, whichever has been due longer.
/// - A delivery that was never settled is due since its arrival, whatever the clock says. Of several, the one that was recorded
///   first comes first. A requeued delivery counts as never settled. A retrying or parked one is due at the time of its settlement.
/// - A claim can also lease deliveries [behind](ClaimRequest::behind) a head that was never settled: the next ones that were never settled
///   either, in their sequence. They stay behind the head, and in front of all others of the order. So when a head ends, the next leased
///   one follows it, and no other worker can claim a delivery of the order before the worker has settled them. A worker ends the leases of
///   one order one after another, or in one call.
/// - A lease that has ended makes its delivery due again in its old place. The store counts such lost claims; a settlement or a
///   release resets the count. From [`SUSPECT_AFTER`](super::SUSPECT_AFTER) on, the delivery is a *suspect*.
/// - [`ClaimRequest::choose`] decides which heads are claimed, so that all stores behave in the same way.
///
/// # Example
/// A complete inbox, as a starting point for your own. A store on disk runs each method as one transaction, and replaces the
/// searches by indexes on the key, its subject, and the time at which a delivery is due.
///
#[doc = concat!("```\n", include_str!("../../docs/vec_inbox.rs"))]
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let inbox = VecInbox::default();
/// let (now, lease_time) = (Timestamp::from_millis(0), std::time::Duration::from_secs(30));
/// let mut delivery = NewDelivery::new("acme", "acme", now, "{}".into());
/// delivery.key = Some(DedupKey::new("acme", "order", "7", "complete"));
///
/// let Recorded::New(first) = inbox.record(delivery.clone()).await? else { panic!("the key is new") };
/// assert_eq!(inbox.record(delivery.clone()).await?, Recorded::Duplicate { first, requeued: false });
///
/// let claims = inbox.claim(now, ClaimRequest::new(10, lease_time)).await?;
/// assert_eq!((claims.deliveries.len(), claims.next_due), (1, None));
/// let settlement = Settlement::new(claims.deliveries[0].lease, Settled::Handled);
/// assert_eq!(inbox.settle(now, vec![settlement]).await?, []);
/// assert_eq!(inbox.counts().await?.of(State::Handled), 1);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Inbox: fmt::Debug + Send + Sync + 'static {
    /// Records a delivery.
    ///
    /// - A delivery without a key, with a new key, or with a key that has [expired](NewDelivery::key_expires_at), is new. It becomes
    ///   pending, or quarantined if [`NewDelivery::quarantine`] is set.
    /// - A delivery that repeats the first one with its key ([`NewDelivery::repeats`]) is a duplicate. It increments the count of
    ///   duplicates of the first delivery, which is requeued if it is retrying, or dead with its
    ///   [attempts used up](super::DeadCause::AttemptsUsedUp), and neither [resolved](Self::resolve) nor [pruned](Self::prune).
    /// - Any other delivery with a known key is kept as a conflict, under
    ///   [`DedupKey::conflicting`](crate::identity::DedupKey::conflicting).
    ///
    /// Afterwards, the oldest noise over the limit of the quarantine is removed.
    ///
    /// # Errors
    /// Returns an error if the delivery could not be made durable.
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError>;

    /// Leases due heads, in the sequence of [`ClaimRequest::choose`], and those behind them. See [the queue](Inbox#the-queue). Two claims
    /// never hold deliveries of one order at the same time.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError>;

    /// Extends leases to `until`. Returns the leases that were lost.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError>;

    /// Ends leases. Returns the leases that were lost because another worker holds or has settled the delivery. Their deliveries
    /// are unchanged.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written. In that case no lease has ended.
    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError>;

    /// Waits until a call of this object may have made a delivery due. Returns at once if that happened before. May wake spuriously. Not
    /// woken by other processes. Cancel-safe.
    async fn wait_for_work(&self);

    /// Checks that a delivery could be recorded now.
    ///
    /// # Errors
    /// Returns an error if a delivery could not be recorded.
    async fn check(&self) -> Result<(), StoreError>;

    /// Returns a page of the deliveries that match `filter`, without their bodies unless it [wants](Filter::with_bodies) them. Looks at no more than
    /// [`Filter::most_searched`] deliveries, and finds them by the index of [`Filter::lookup`].
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn list(&self, filter: Filter) -> Result<Page, StoreError>;

    /// Returns a delivery with its body, or `None` if there is no delivery with this id.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError>;

    /// Counts the deliveries in each state. Reads every delivery; [`open_counts`](Self::open_counts) does not.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Counts the deliveries that wait, and the unresolved ones that are dead, quarantined or in conflict. Others are not counted, and the
    /// costs do not grow with their number.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn open_counts(&self) -> Result<Counts, StoreError>;

    /// Resolves a delivery that is dead, quarantined or in conflict: an operator has dealt with it. It stays in its state, is no longer
    /// counted as [open](Self::open_counts), and no duplicate requeues it. `note` replaces that of an earlier resolution.
    ///
    /// # Errors
    /// Returns [`NotFound`](crate::StoreErrorKind::NotFound) if there is no such delivery,
    /// [`Refused`](crate::StoreErrorKind::Refused) if it is in another state, and another error if the store cannot be written.
    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError>;

    /// Takes back the resolution of a delivery. Changes nothing if it is not resolved.
    ///
    /// # Errors
    /// Returns [`NotFound`](crate::StoreErrorKind::NotFound) if there is no such delivery, and another error if the store cannot be written.
    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError>;

    /// Returns the history of a delivery, the oldest entry first. It is empty if the delivery was handled at its first attempt, or if there is
    /// no such delivery.
    ///
    /// Each call that fails, parks, requeues, resolves or reopens a delivery, or counts a duplicate of it, adds an
    /// [entry](super::HistoryEntry) in the same step. [`restore`](Self::restore) adds none. The texts are removed with the body, because
    /// they may hold personal data.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Adds to the history of a delivery that `operator` saw its personal data.
    ///
    /// # Errors
    /// Returns [`NotFound`](crate::StoreErrorKind::NotFound) if there is no such delivery, and another error if the store cannot be written.
    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError>;

    /// Adds deliveries of another inbox, with their states, keys, counts, notes and bodies, and gives them new ids. All are added, or none.
    /// Returns the result for each delivery in turn; see [`Restored`](super::Restored). Stores change each one with
    /// [`restorable`](super::restorable) first.
    ///
    /// A delivery without a key is always added. A quarantined one does not count as noise.
    ///
    /// # Errors
    /// Returns [`Refused`](crate::StoreErrorKind::Refused) if one of the deliveries cannot be restored, and another error if the store
    /// cannot be written.
    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError>;

    /// Makes a delivery pending and resets its count of attempts, if it is still in the state that was seen. Operators call
    /// [`replay`](super::replay) instead.
    ///
    /// If the request contains a [reread](Requeue::reread) delivery, its type, key and order first replace those of the delivery. If
    /// another delivery already has that key, the delivery is removed as a duplicate or becomes a conflict.
    ///
    /// # Errors
    /// Returns [`NotFound`](crate::StoreErrorKind::NotFound) if there is no such delivery,
    /// [`Refused`](crate::StoreErrorKind::Refused) if a worker holds the delivery, if an operator has resolved it, if its body was removed, or
    /// if its state has changed, and another error if the store cannot be written.
    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError>;

    /// Removes deliveries that are older than the [`Retention`] of their state. Removes a bounded number in one call. Returns the number
    /// of removals, which is zero if nothing is left to prune.
    ///
    /// - A quarantined delivery, and one without a key, is removed whole.
    /// - A delivery with a key that can expire is removed whole as soon as the key has expired, and not before.
    /// - Any other delivery loses its body and its notes, and stays for its key.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError>;

    /// Removes the body and the notes of a delivery at once, or the whole delivery if it is quarantined or has no key. Otherwise its key
    /// stays, so that copies are still recognised. Changes nothing if they were removed before.
    ///
    /// # Errors
    /// Returns [`NotFound`](crate::StoreErrorKind::NotFound) if there is no such delivery,
    /// [`Refused`](crate::StoreErrorKind::Refused) if it still waits to be handled, or if its state is unknown, and another error if
    /// the store cannot be written.
    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError>;

    /// Returns the state that a periodic task, or the [`traffic`](crate::traffic) of all processes, has stored, or [`TaskState::new`] if it has stored none.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError>;

    /// Replaces the state of a task, if its stored version is that of `state`. The new version is greater by one. Returns `false`, and
    /// changes nothing, if another call has replaced the state meanwhile.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError>;

    /// Returns the status of the spill; `None` for an inbox without one, which is the default.
    ///
    /// # Errors
    /// Returns an error if the spill cannot be read.
    async fn spill_status(&self) -> Result<Option<SpillStatus>, StoreError> {
        Ok(None)
    }

    /// Returns the disk space that the inbox takes; `None` for an inbox that does not know it, which is the default. It may read the whole
    /// inbox, so call it for an operator who needs space.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }
}

/// The limits of noise in an inbox. If either is exceeded, the oldest noise is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuarantineBound {
    /// Maximum number of deliveries. Default 1 000.
    pub deliveries: u32,
    /// Maximum total size of their bodies, in bytes. Default 64 MiB.
    pub bytes: u64,
}

impl Default for QuarantineBound {
    fn default() -> Self {
        Self { deliveries: 1_000, bytes: 64 << 20 }
    }
}

impl QuarantineBound {
    /// Creates a limit of `deliveries` deliveries and `bytes` bytes of bodies.
    #[must_use]
    pub const fn new(deliveries: u32, bytes: u64) -> Self {
        Self { deliveries, bytes }
    }
}

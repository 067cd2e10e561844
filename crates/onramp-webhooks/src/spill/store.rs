//! The contract of spill stores.

use std::any::Any;
use std::fmt;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::delivery::NewDelivery;
use crate::error::StoreError;

/// The id of a delivery in its spill. Ids grow in the order of arrival and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpillId(i64);

impl SpillId {
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

impl fmt::Display for SpillId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A small durable log of deliveries in the order of arrival.
///
/// It does not detect duplicates or conflicts. The primary inbox does, when a delivery moves there.
///
/// Every method is atomic: it has taken full effect, durably, when it returns `Ok`, and has had no effect when it returns an error.
/// A dropped call may or may not have taken effect.
///
/// # Example
/// A complete spill, as a starting point for your own:
///
#[doc = concat!("```\n", include_str!("../../docs/vec_spill.rs"))]
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let spill = VecSpill::default();
/// let delivery = NewDelivery::new("acme", "acme", Timestamp::from_millis(0), "{}".into());
/// let id = spill.append(delivery).await?;
/// assert_eq!(spill.counts().await?, SpillCounts { waiting: 1, oldest: Some(Timestamp::from_millis(0)), newest: Some(id) });
///
/// let lock = spill.lock().await?;
/// assert!(lock.is_some() && spill.lock().await?.is_none());
/// let waiting = spill.oldest(100, 1 << 20).await?;
/// spill.remove(waiting.into_iter().map(|(id, _)| id).collect()).await?;
/// assert_eq!(spill.counts().await?.waiting, 0);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait SpillStore: fmt::Debug + Send + Sync + 'static {
    /// Appends a delivery with all fields and the exact bytes of its body.
    ///
    /// # Errors
    /// Returns an error if the delivery could not be made durable.
    async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError>;

    /// Returns at most `limit` deliveries, oldest first. Returns fewer if their bodies would exceed `bytes` bytes in total, but at
    /// least one unless the spill is empty or `limit` is zero.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError>;

    /// Removes deliveries. Unknown ids are ignored.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written. In that case no delivery is removed.
    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError>;

    /// Counts the deliveries.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn counts(&self) -> Result<SpillCounts, StoreError>;

    /// Checks that a delivery could be appended now.
    ///
    /// # Errors
    /// Returns an error if a delivery could not be appended.
    async fn check(&self) -> Result<(), StoreError>;

    /// Acquires the exclusive lock for moving deliveries, among all processes that share the store. Returns `None` if it is held
    /// elsewhere. The lock is released when it is dropped and when its process ends.
    ///
    /// # Errors
    /// Returns an error if the attempt to acquire the lock fails.
    async fn lock(&self) -> Result<Option<MovingLock>, StoreError>;
}

/// The number of deliveries in a spill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it, and a field it forgets should not compile")]
pub struct SpillCounts {
    /// The deliveries that wait for the primary inbox.
    pub waiting: u64,
    /// The time at which the first of them in the order of ids was [received](NewDelivery::received_at); `None` if the spill is empty.
    pub oldest: Option<Timestamp>,
    /// The newest delivery; `None` if the spill is empty.
    pub newest: Option<SpillId>,
}

/// The lock for moving deliveries, released on drop.
pub struct MovingLock {
    _guard: Box<dyn Any + Send + Sync>,
}

impl MovingLock {
    /// Creates a lock that drops `guard` when it is released.
    #[must_use]
    pub fn holding(guard: impl Any + Send + Sync) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for MovingLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MovingLock").finish_non_exhaustive()
    }
}

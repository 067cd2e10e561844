//! What the second store has to do: keep deliveries until they move, and nothing else.

use std::any::Any;
use std::fmt;

use async_trait::async_trait;

use crate::inbox::NewDelivery;
use crate::store_error::StoreError;

/// Names one delivery within its spill. Ids grow with the order of arrival and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpillId(i64);

impl SpillId {
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

impl fmt::Display for SpillId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A small durable log of deliveries, in the order in which they came. It decides nothing: what is a duplicate or a conflict, the first
/// inbox says when a delivery moves there, as if it had just come.
///
/// Every method is one atomic step: it happened, durably, when it returns `Ok`; nothing happened when it returns an error. A call that is
/// dropped before it returns may or may not have happened.
#[async_trait]
pub trait SpillStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps a delivery, every field and the body to the byte; it waits from now on.
    ///
    /// # Errors
    /// When it could not be made durable.
    async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError>;

    /// The first `limit` of those that wait, the oldest first; fewer when there are no more, or when their bodies have more than `bytes`
    /// bytes together. At least one, if any waits and `limit` is not zero.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError>;

    /// Forgets deliveries, whether they wait or are set aside; ids that are not there are passed over.
    ///
    /// # Errors
    /// When the store cannot be written; then none of them is gone.
    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError>;

    /// Keeps a delivery out of the way of the others, with the reason. One that is not there, or is set aside already, is passed over.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn set_aside(&self, id: SpillId, reason: String) -> Result<(), StoreError>;

    /// The first `limit` of those that are set aside, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, StoreError>;

    /// Lets all that are set aside wait again, each at its old place, and answers how many there were.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn put_back(&self) -> Result<u64, StoreError>;

    /// How many there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn counts(&self) -> Result<SpillCounts, StoreError>;

    /// Whether a delivery could be kept now.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self) -> Result<(), StoreError>;

    /// The right to move what waits, which one holder at a time has, among all who share the store; `None` while somebody else has it.
    /// It ends when it is dropped, and with its process.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn lock(&self) -> Result<Option<MovingLock>, StoreError>;
}

/// A delivery that the first inbox refused again and again while it took others.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it, and a field it forgets should not compile")]
pub struct SetAside {
    /// Its id in the spill.
    pub id: SpillId,
    /// The delivery.
    pub delivery: NewDelivery,
    /// What the first inbox said last.
    pub reason: String,
}

/// How many deliveries are in a spill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it, and a field it forgets should not compile")]
pub struct SpillCounts {
    /// Those that wait for the first inbox.
    pub waiting: u64,
    /// Those that are set aside.
    pub set_aside: u64,
    /// The last one that waits; `None`: none does.
    pub newest: Option<SpillId>,
}

/// The right to move, until it is dropped.
pub struct MovingLock {
    _guard: Box<dyn Any + Send + Sync>,
}

impl MovingLock {
    /// The right that ends when `guard` is dropped.
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

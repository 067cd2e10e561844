//! The periodic removal of old purchases.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::PurchaseStore;
use crate::clock::{Clock, SystemClock};
use crate::worker::{PeriodicTask, in_rounds};

const RETENTION: Duration = Duration::from_secs(90 * 24 * 3_600);

/// The task that removes old purchases from a [store](PurchaseStore). [`KnownPurchases`](super::KnownPurchases) does not know a removed
/// purchase any more.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// use onramp_webhooks::purchases::{KnownPurchases, MemoryPurchaseStore, PrunePurchases};
/// # use onramp_webhooks::worker::WorkerBuilder;
///
/// # fn with_purchases(worker: WorkerBuilder) -> WorkerBuilder {
/// let store = Arc::new(MemoryPurchaseStore::new());
/// let day = Duration::from_secs(24 * 3_600);
/// worker.before(KnownPurchases::new(Arc::clone(&store))).periodic_task(day, PrunePurchases::new(store))
/// # }
/// ```
pub struct PrunePurchases<S> {
    store: S,
    retention: Duration,
    clock: Arc<dyn Clock>,
}

impl<S: PurchaseStore> PrunePurchases<S> {
    /// Creates the task for a store.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, retention: RETENTION, clock: Arc::new(SystemClock) }
    }

    /// Sets how long purchases are kept after they were started, and releases after they were made. Default 90 days.
    #[must_use]
    pub const fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Sets the clock. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

#[async_trait]
impl<S: PurchaseStore> PeriodicTask for PrunePurchases<S> {
    fn name(&self) -> &str {
        "prune_purchases"
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(in_rounds(|| self.store.prune(self.clock.now().before(self.retention))).await?)
    }
}

impl<S: fmt::Debug> fmt::Debug for PrunePurchases<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrunePurchases").field("store", &self.store).field("retention", &self.retention).finish_non_exhaustive()
    }
}

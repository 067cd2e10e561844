//! A spill that prints what it is at, for a process that watches.

use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::inbox::spill::{MovingLock, SetAside, SpillCounts, SpillId, SpillStore};
use onramp_webhooks::{StoreError, async_trait};
use onramp_webhooks_sqlite::SqliteSpill;

pub(crate) const SPILLING: &str = "spill: keeps one";
pub(crate) const SPILLED: &str = "spill: has kept one";
pub(crate) const MOVING: &str = "spill: some move";
pub(crate) const MOVED: &str = "spill: some have moved";

#[derive(Debug)]
pub(crate) struct Telling(pub(crate) SqliteSpill);

#[async_trait]
impl SpillStore for Telling {
    async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError> {
        println!("{SPILLING}");
        let id = self.0.append(delivery).await;
        println!("{SPILLED}");
        id
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        let oldest = self.0.oldest(limit, bytes).await?;
        // Whoever may not move looks at one.
        if limit > 1 && !oldest.is_empty() {
            println!("{MOVING}");
        }
        Ok(oldest)
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        self.0.remove(ids).await?;
        println!("{MOVED}");
        Ok(())
    }

    async fn set_aside(&self, id: SpillId, reason: String) -> Result<(), StoreError> {
        self.0.set_aside(id, reason).await
    }

    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, StoreError> {
        self.0.aside(limit).await
    }

    async fn put_back(&self) -> Result<u64, StoreError> {
        self.0.put_back().await
    }

    async fn counts(&self) -> Result<SpillCounts, StoreError> {
        self.0.counts().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.0.check().await
    }

    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        self.0.lock().await
    }
}

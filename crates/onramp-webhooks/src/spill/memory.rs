//! A spill in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{MovingLock, SpillCounts, SpillId, SpillStore};
use crate::delivery::NewDelivery;
use crate::error::StoreError;

/// A [`SpillStore`] in memory, for tests. **It loses everything when the process ends**; shops that credit money need a spill on
/// disk. Clones share the spill.
#[derive(Clone, Debug, Default)]
pub struct MemorySpill {
    rows: Arc<Mutex<Rows>>,
    moving: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Rows {
    last_id: i64,
    by_id: BTreeMap<SpillId, NewDelivery>,
}

impl MemorySpill {
    /// Creates an empty spill.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SpillStore for MemorySpill {
    async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError> {
        let mut rows = self.rows();
        rows.last_id += 1;
        let id = SpillId::from_i64(rows.last_id);
        rows.by_id.insert(id, delivery);
        Ok(id)
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        let rows = self.rows();
        let mut read = 0;
        let fits = |(nth, (_, delivery)): &(usize, (_, &NewDelivery))| {
            read += delivery.body.len();
            *nth == 0 || read <= bytes
        };
        let oldest = rows.by_id.iter().take(limit).enumerate().take_while(fits);
        Ok(oldest.map(|(_, (id, delivery))| (*id, delivery.clone())).collect())
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        let mut rows = self.rows();
        for id in ids {
            rows.by_id.remove(&id);
        }
        Ok(())
    }

    async fn counts(&self) -> Result<SpillCounts, StoreError> {
        let rows = self.rows();
        let oldest = rows.by_id.first_key_value().map(|(_, delivery)| delivery.received_at);
        let newest = rows.by_id.last_key_value().map(|(id, _)| *id);
        Ok(SpillCounts { waiting: rows.by_id.len() as u64, oldest, newest })
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        Ok(Arc::clone(&self.moving).try_lock_owned().ok().map(MovingLock::holding))
    }
}

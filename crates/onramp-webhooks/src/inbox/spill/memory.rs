//! A spill that forgets everything when the process ends: for tests and try-outs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{MovingLock, SetAside, SpillCounts, SpillId, SpillStore};
use crate::inbox::NewDelivery;
use crate::store_error::StoreError;

/// A [`SpillStore`] in memory. **It breaks the promise that nothing acknowledged is lost**; shops that credit money use one on disk.
/// Clones are the same spill.
#[derive(Clone, Debug, Default)]
pub struct MemorySpill {
    rows: Arc<Mutex<Rows>>,
    moving: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Rows {
    last_id: i64,
    by_id: BTreeMap<SpillId, Row>,
}

#[derive(Debug)]
struct Row {
    delivery: NewDelivery,
    reason: Option<String>,
}

impl MemorySpill {
    /// An empty spill.
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
        rows.by_id.insert(id, Row { delivery, reason: None });
        Ok(id)
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        let rows = self.rows();
        let waiting = rows.by_id.iter().filter(|(_, row)| row.reason.is_none()).take(limit);
        let mut read = 0;
        let fits = |(nth, (_, row)): &(usize, (_, &Row))| {
            read += row.delivery.body.len();
            *nth == 0 || read <= bytes
        };
        Ok(waiting.enumerate().take_while(fits).map(|(_, (id, row))| (*id, row.delivery.clone())).collect())
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        let mut rows = self.rows();
        for id in ids {
            rows.by_id.remove(&id);
        }
        Ok(())
    }

    async fn set_aside(&self, id: SpillId, reason: String) -> Result<(), StoreError> {
        if let Some(row) = self.rows().by_id.get_mut(&id) {
            row.reason.get_or_insert(reason);
        }
        Ok(())
    }

    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, StoreError> {
        let rows = self.rows();
        let aside = rows.by_id.iter().filter_map(|(id, row)| {
            let reason = row.reason.clone()?;
            Some(SetAside { id: *id, delivery: row.delivery.clone(), reason })
        });
        Ok(aside.take(limit).collect())
    }

    async fn put_back(&self) -> Result<u64, StoreError> {
        let mut rows = self.rows();
        let back = rows.by_id.values_mut().filter_map(|row| row.reason.take()).count();
        Ok(back as u64)
    }

    async fn counts(&self) -> Result<SpillCounts, StoreError> {
        let rows = self.rows();
        let set_aside = rows.by_id.values().filter(|row| row.reason.is_some()).count() as u64;
        let newest = rows.by_id.iter().rev().find(|(_, row)| row.reason.is_none()).map(|(id, _)| *id);
        Ok(SpillCounts { waiting: rows.by_id.len() as u64 - set_aside, set_aside, newest })
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        Ok(Arc::clone(&self.moving).try_lock_owned().ok().map(MovingLock::holding))
    }
}

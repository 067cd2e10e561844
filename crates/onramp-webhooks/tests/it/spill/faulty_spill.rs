//! A spill that can be made to fail, and to hang.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};

use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::inbox::spill::{MemorySpill, MovingLock, SetAside, SpillCounts, SpillId, SpillStore};
use onramp_webhooks::{StoreError, StoreErrorKind, async_trait};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SpillOp {
    Append,
    Read,
    Remove,
    Count,
    Check,
}

/// A spill in memory on a bad disk. Clones are the same spill.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultySpill {
    inner: MemorySpill,
    /// How often each call fails; `None`: it hangs.
    faults: Arc<Mutex<HashMap<SpillOp, Option<usize>>>>,
}

impl FaultySpill {
    pub(crate) fn errors(&self, op: SpillOp, times: usize) {
        self.faults.lock().unwrap().insert(op, Some(times));
    }

    pub(crate) fn hangs(&self, op: SpillOp) {
        self.faults.lock().unwrap().insert(op, None);
    }

    pub(crate) fn recovers(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// How many hold it.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.faults)
    }

    async fn pass(&self, op: SpillOp) -> Result<(), StoreError> {
        let fault = self.faults.lock().unwrap().get(&op).copied();
        match fault {
            None | Some(Some(0)) => Ok(()),
            Some(Some(times)) => {
                self.errors(op, times - 1);
                Err(StoreError::new(StoreErrorKind::Full, "test"))
            }
            Some(None) => pending().await,
        }
    }
}

#[async_trait]
impl SpillStore for FaultySpill {
    async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError> {
        self.pass(SpillOp::Append).await?;
        self.inner.append(delivery).await
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        self.pass(SpillOp::Read).await?;
        self.inner.oldest(limit, bytes).await
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        self.pass(SpillOp::Remove).await?;
        self.inner.remove(ids).await
    }

    async fn set_aside(&self, id: SpillId, reason: String) -> Result<(), StoreError> {
        self.inner.set_aside(id, reason).await
    }

    async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, StoreError> {
        self.inner.aside(limit).await
    }

    async fn put_back(&self) -> Result<u64, StoreError> {
        self.inner.put_back().await
    }

    async fn counts(&self) -> Result<SpillCounts, StoreError> {
        self.pass(SpillOp::Count).await?;
        self.inner.counts().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.pass(SpillOp::Check).await?;
        self.inner.check().await
    }

    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        self.inner.lock().await
    }
}

//! Started purchases in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Purchase, PurchaseStatus, PurchaseStore};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::event::OrderId;

/// A [`PurchaseStore`] in memory, for tests. It loses everything when the process ends; earlier purchases are unknown afterwards.
#[derive(Debug, Default)]
pub struct MemoryPurchaseStore(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    started: HashMap<String, Purchase>,
    released: HashMap<String, Timestamp>,
}

impl MemoryPurchaseStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(id: &OrderId) -> String {
    id.as_str().to_ascii_lowercase()
}

#[async_trait]
impl PurchaseStore for MemoryPurchaseStore {
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError> {
        match self.kept().started.entry(key(&purchase.id)) {
            Entry::Occupied(first) if !first.get().is_same_request(&purchase) => {
                Err(StoreError::new(StoreErrorKind::Refused, "start a purchase").because("another purchase has this id"))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(entry) => {
                entry.insert(purchase);
                Ok(())
            }
        }
    }

    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError> {
        let (kept, key) = (self.kept(), key(id));
        Ok(PurchaseStatus { started: kept.started.get(&key).cloned(), released_at: kept.released.get(&key).copied() })
    }

    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        self.kept().released.entry(key(id)).or_insert(now);
        Ok(())
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let Kept { started, released } = &mut *self.kept();
        let count = started.len() + released.len();
        started.retain(|_, purchase| purchase.started_at >= before);
        released.retain(|_, at| *at >= before);
        Ok((count - started.len() - released.len()) as u64)
    }
}

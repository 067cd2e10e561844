//! Started purchases in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{KnownPurchase, StartedPurchase, StartedPurchases};
use crate::clock::Timestamp;
use crate::event::PostbackId;
use crate::store_error::{StoreError, StoreErrorKind};

/// A store of [started purchases](StartedPurchases) that forgets everything when the process ends, so that postbacks of purchases that were
/// started before are unknown: for tests.
#[derive(Debug, Default)]
pub struct MemoryStartedPurchases(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    started: HashMap<String, StartedPurchase>,
    released: HashMap<String, Timestamp>,
}

impl MemoryStartedPurchases {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(uuid: &PostbackId) -> String {
    uuid.as_str().to_ascii_lowercase()
}

#[async_trait]
impl StartedPurchases for MemoryStartedPurchases {
    async fn start(&self, purchase: StartedPurchase) -> Result<(), StoreError> {
        match self.kept().started.entry(key(&purchase.uuid)) {
            Entry::Occupied(first) if !first.get().asks_for_the_same(&purchase) => {
                Err(StoreError::new(StoreErrorKind::Refused, "start a purchase").because("another one has this uuid"))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(entry) => {
                entry.insert(purchase);
                Ok(())
            }
        }
    }

    async fn find(&self, uuid: &PostbackId) -> Result<KnownPurchase, StoreError> {
        let (kept, key) = (self.kept(), key(uuid));
        Ok(KnownPurchase { started: kept.started.get(&key).cloned(), released_at: kept.released.get(&key).copied() })
    }

    async fn release(&self, uuid: &PostbackId, now: Timestamp) -> Result<(), StoreError> {
        self.kept().released.entry(key(uuid)).or_insert(now);
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

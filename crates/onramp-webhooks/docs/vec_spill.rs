use std::sync::{Arc, Mutex};

use onramp_webhooks::async_trait;
use onramp_webhooks::store::*;

/// A spill in a vector, in the order of arrival.
#[derive(Debug, Default)]
pub struct VecSpill {
    rows: Mutex<Rows>,
    moving: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Rows {
    last_id: i64,
    waiting: Vec<(SpillId, NewDelivery)>,
}

#[async_trait]
impl SpillStore for VecSpill {
    async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        rows.last_id += 1;
        let id = SpillId::from_i64(rows.last_id);
        rows.waiting.push((id, delivery));
        Ok(id)
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        let rows = self.rows.lock().unwrap();
        let mut oldest = Vec::new();
        let mut size = 0;
        for (id, delivery) in rows.waiting.iter().take(limit) {
            size += delivery.body.len();
            if size > bytes && !oldest.is_empty() {
                break;
            }
            oldest.push((*id, delivery.clone()));
        }
        Ok(oldest)
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        self.rows.lock().unwrap().waiting.retain(|(id, _)| !ids.contains(id));
        Ok(())
    }

    async fn counts(&self) -> Result<SpillCounts, StoreError> {
        let rows = self.rows.lock().unwrap();
        Ok(SpillCounts {
            waiting: rows.waiting.len() as u64,
            oldest: rows.waiting.first().map(|(_, delivery)| delivery.received_at),
            newest: rows.waiting.last().map(|(id, _)| *id),
        })
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        // A store on disk takes a lock that ends with its process, such as a lock on a file.
        Ok(Arc::clone(&self.moving).try_lock_owned().ok().map(MovingLock::holding))
    }
}

use std::collections::HashMap;
use std::sync::Mutex;

use onramp_webhooks::async_trait;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::store::*;

/// Purchases in a map, by their ids in lower case.
#[derive(Debug, Default)]
pub struct MapPurchaseStore(Mutex<HashMap<String, PurchaseStatus>>);

fn key(id: &OrderId) -> String {
    id.as_str().to_ascii_lowercase()
}

#[async_trait]
impl PurchaseStore for MapPurchaseStore {
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError> {
        let mut purchases = self.0.lock().unwrap();
        let started = &mut purchases.entry(key(&purchase.id)).or_default().started;
        if started.get_or_insert_with(|| purchase.clone()).is_same_request(&purchase) {
            Ok(())
        } else {
            Err(StoreError::new(StoreErrorKind::Refused, "start a purchase").because("another purchase has this id"))
        }
    }

    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError> {
        Ok(self.0.lock().unwrap().get(&key(id)).cloned().unwrap_or_default())
    }

    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        let mut purchases = self.0.lock().unwrap();
        purchases.entry(key(id)).or_default().released_at.get_or_insert(now);
        Ok(())
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        self.0.lock().unwrap().retain(|_, PurchaseStatus { started, released_at }| {
            removed += u64::from(started.take_if(|purchase| purchase.started_at < before).is_some());
            removed += u64::from(released_at.take_if(|released_at| *released_at < before).is_some());
            started.is_some() || released_at.is_some()
        });
        Ok(removed)
    }
}

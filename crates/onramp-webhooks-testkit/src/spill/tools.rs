//! Helpers for the cases. They panic if a store call fails.

use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::spill::SpillId;

use super::Fixture;
use crate::tools::at;

/// An event about an order.
pub(super) fn event(order: &str) -> NewDelivery {
    let mut new = NewDelivery::new("wert", "wert", at(0), format!("about {order}").into());
    new.event_type = Some("order_complete".into());
    new.key = Some(DedupKey::from_parts(format!("wert/order/{order}"), "order_complete".into()));
    new.stage = Some(OrderStage::FINAL);
    new
}

/// Describes a delivery for comparison.
pub(super) fn described(new: &NewDelivery) -> String {
    let key = new.key.as_ref().map(|key| (key.subject().to_owned(), key.discriminator().to_owned()));
    format!("{new:?} {key:?} {:?} {:?} {:?} {:?}", new.key_expires_at, new.duplicate_within, new.fingerprint.as_bytes(), new.body)
}

impl Fixture {
    pub(super) async fn add(&self, new: NewDelivery) -> SpillId {
        self.append(new).await.unwrap()
    }

    pub(super) async fn add_some(&self) -> [SpillId; 3] {
        [self.add(event("A")).await, self.add(event("B")).await, self.add(event("C")).await]
    }

    pub(super) async fn forget(&self, ids: &[SpillId]) {
        self.remove(ids.to_vec()).await.unwrap();
    }

    /// Returns the ids of all waiting deliveries.
    pub(super) async fn ids(&self) -> Vec<SpillId> {
        self.oldest(10_000, usize::MAX).await.unwrap().into_iter().map(|(id, _)| id).collect()
    }

    pub(super) async fn holds(&self, waiting: u64, newest: Option<SpillId>) {
        let counts = self.counts().await.unwrap();
        assert_eq!((counts.waiting, counts.newest), (waiting, newest));
    }
}

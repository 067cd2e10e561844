//! Inboxes that store started purchases together with their deliveries.

use std::fmt;

use async_trait::async_trait;

use super::{Purchase, PurchaseStatus, PurchaseStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::event::OrderId;
use crate::inbox::Inbox;
use crate::spill::SpillInbox;

/// An inbox that keeps started purchases in the same store.
pub trait PurchaseInbox: Inbox {
    /// The store of purchases.
    type Purchases: PurchaseStore;

    /// Returns the store of purchases.
    fn purchases(&self) -> Self::Purchases;
}

/// Returns the purchases of the primary inbox. Their calls fail until the primary inbox has been opened for the first time.
impl<I: PurchaseInbox> PurchaseInbox for SpillInbox<I> {
    type Purchases = SpillPurchases<I>;

    fn purchases(&self) -> SpillPurchases<I> {
        SpillPurchases(self.clone())
    }
}

/// The purchases of an inbox behind a spill.
pub struct SpillPurchases<I>(SpillInbox<I>);

impl<I: PurchaseInbox> SpillPurchases<I> {
    fn primary(&self) -> Result<I::Purchases, StoreError> {
        Ok(self.0.opened()?.purchases())
    }
}

#[async_trait]
impl<I: PurchaseInbox> PurchaseStore for SpillPurchases<I> {
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError> {
        self.primary()?.start(purchase).await
    }

    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError> {
        self.primary()?.find(id).await
    }

    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        self.primary()?.release(id, now).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.primary()?.prune(before).await
    }
}

impl<I: Inbox> fmt::Debug for SpillPurchases<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpillPurchases").field(&self.0).finish()
    }
}

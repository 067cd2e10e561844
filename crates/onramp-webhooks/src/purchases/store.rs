//! The contract of stores of started purchases.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Purchase;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::event::OrderId;

/// A store of purchases that the shop started, and of those that an operator released.
///
/// [`MemoryPurchaseStore`](super::MemoryPurchaseStore) serves tests; `onramp-webhooks-sqlite` and `onramp-webhooks-postgres` store
/// purchases together with the inbox. Ids are compared ignoring case.
///
/// Every method is atomic: it has taken full effect, durably if the store is durable, when it returns `Ok`, and has had no effect
/// when it returns an error. A dropped call may or may not have taken effect.
///
/// # Example
/// A complete store, as a starting point for your own:
///
#[doc = concat!("```\n", include_str!("../../docs/map_purchase_store.rs"))]
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let store = MapPurchaseStore::default();
/// let purchase = Purchase::new("C472856C", Timestamp::from_millis(0)).asset_type("eth");
/// store.start(purchase.clone()).await?;
/// assert_eq!(store.find(&"c472856c".into()).await?.started, Some(purchase.clone()));
/// assert_eq!(store.start(purchase.asset_type("btc")).await.unwrap_err().kind(), StoreErrorKind::Refused);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait PurchaseStore: fmt::Debug + Send + Sync + 'static {
    /// Records a purchase that was started. Recording the same purchase again changes nothing, and the time of the first record is
    /// kept.
    ///
    /// # Errors
    /// Returns [`Refused`](crate::StoreErrorKind::Refused), without any change, if a different purchase with this id was
    /// [started](Purchase::is_same_request), and another error if the store cannot be written.
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError>;

    /// Returns the status of a purchase. The status is the default if the purchase was neither started nor released.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError>;

    /// Releases a purchase, whether it was started or not. The time of the first release is kept.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError>;

    /// Removes purchases that were started, and releases that were made, before `before`. Removes a bounded number in one call.
    /// Returns the number of removals, which is zero if nothing is left to prune.
    ///
    /// [`PrunePurchases`](super::PrunePurchases) calls it. A removed purchase counts as never started.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError>;
}

#[async_trait]
impl<S: PurchaseStore + ?Sized> PurchaseStore for Arc<S> {
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError> {
        (**self).start(purchase).await
    }

    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError> {
        (**self).find(id).await
    }

    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        (**self).release(id, now).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        (**self).prune(before).await
    }
}

/// The status of a purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores create it, and the check has to know all fields")]
pub struct PurchaseStatus {
    /// The purchase as it was started.
    pub started: Option<Purchase>,
    /// The time at which an operator released it.
    pub released_at: Option<Timestamp>,
}

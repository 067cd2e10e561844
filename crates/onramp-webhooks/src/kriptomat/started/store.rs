//! Where started purchases are written down.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::StartedPurchase;
use crate::clock::Timestamp;
use crate::event::PostbackId;
use crate::store_error::StoreError;

/// How long a started purchase is worth keeping, where there is no reason for another time: 90 days.
pub const RETENTION: Duration = Duration::from_secs(90 * 24 * 3_600);

/// A store of the purchases that were started, and of those that a person released. [`MemoryStartedPurchases`](super::MemoryStartedPurchases)
/// serves tests; `onramp-webhooks-sqlite` and `onramp-webhooks-postgres` keep them beside the inbox.
///
/// Every method is one atomic step: it happened, durably if the store is, when it returns `Ok`; nothing happened when it returns an error. A
/// call that is dropped before it returns may or may not have happened. A `uuid` is the same in any case.
#[async_trait]
pub trait StartedPurchases: fmt::Debug + Send + Sync + 'static {
    /// Writes a purchase down. The same once more changes nothing: the first time stays.
    ///
    /// # Errors
    /// [`Refused`](crate::StoreErrorKind::Refused) when a purchase with this `uuid` is there that
    /// [asks for something else](StartedPurchase::asks_for_the_same), and nothing changed; when the store cannot be written.
    async fn start(&self, purchase: StartedPurchase) -> Result<(), StoreError>;

    /// What is known of a `uuid`; nothing, when it was neither started nor released.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn find(&self, uuid: &PostbackId) -> Result<KnownPurchase, StoreError>;

    /// Lets every postback with this `uuid` pass from now on, whether it was started or not. The first release stays.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn release(&self, uuid: &PostbackId, now: Timestamp) -> Result<(), StoreError>;

    /// Removes what was started, and what was released, before `before`; a bounded number a call. Answers how many it removed; zero: nothing
    /// is left to prune. Nothing calls this by itself: a job that runs once a day does, with `now.before(RETENTION)`, until it answers zero.
    ///
    /// A postback that comes after its purchase was removed is as one that was never started.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError>;
}

#[async_trait]
impl<S: StartedPurchases + ?Sized> StartedPurchases for Arc<S> {
    async fn start(&self, purchase: StartedPurchase) -> Result<(), StoreError> {
        (**self).start(purchase).await
    }

    async fn find(&self, uuid: &PostbackId) -> Result<KnownPurchase, StoreError> {
        (**self).find(uuid).await
    }

    async fn release(&self, uuid: &PostbackId, now: Timestamp) -> Result<(), StoreError> {
        (**self).release(uuid, now).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        (**self).prune(before).await
    }
}

/// What is known of a `uuid`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores make them, and the check has to know all")]
pub struct KnownPurchase {
    /// What was asked for when it was started.
    pub started: Option<StartedPurchase>,
    /// When a person released it.
    pub released_at: Option<Timestamp>,
}

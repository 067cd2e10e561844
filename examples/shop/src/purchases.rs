//! The purchases that this shop started, beside the inbox: a postback of any other waits for a person.

use std::fmt;
use std::sync::Arc;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::PostbackId;
use onramp_webhooks::inbox::TransactionalInbox;
use onramp_webhooks::inbox::spill::SpillInbox;
use onramp_webhooks::kriptomat::started::{KnownPurchase, StartedPurchase, StartedPurchases};
use onramp_webhooks::{StoreError, StoreErrorKind, async_trait};
use onramp_webhooks_postgres::PostgresInbox;
use onramp_webhooks_sqlite::SqliteInbox;

/// An inbox that keeps started purchases, too.
pub(crate) trait KeepsPurchases: TransactionalInbox {
    /// Not there while a first inbox has not been opened since the start.
    fn purchases(&self) -> Option<Box<dyn StartedPurchases>>;
}

impl KeepsPurchases for SqliteInbox {
    fn purchases(&self) -> Option<Box<dyn StartedPurchases>> {
        Some(Box::new(Self::purchases(self)))
    }
}

impl KeepsPurchases for PostgresInbox {
    fn purchases(&self) -> Option<Box<dyn StartedPurchases>> {
        Some(Box::new(Self::purchases(self)))
    }
}

impl<I: KeepsPurchases> KeepsPurchases for SpillInbox<I> {
    fn purchases(&self) -> Option<Box<dyn StartedPurchases>> {
        self.first()?.purchases()
    }
}

/// The purchases of an inbox, whenever that is there.
pub(crate) struct Purchases<I>(pub(crate) Arc<I>);

impl<I: KeepsPurchases> Purchases<I> {
    fn now(&self) -> Result<Box<dyn StartedPurchases>, StoreError> {
        self.0.purchases().ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, "find started purchases"))
    }
}

#[async_trait]
impl<I: KeepsPurchases> StartedPurchases for Purchases<I> {
    async fn start(&self, purchase: StartedPurchase) -> Result<(), StoreError> {
        self.now()?.start(purchase).await
    }

    async fn find(&self, uuid: &PostbackId) -> Result<KnownPurchase, StoreError> {
        self.now()?.find(uuid).await
    }

    async fn release(&self, uuid: &PostbackId, now: Timestamp) -> Result<(), StoreError> {
        self.now()?.release(uuid, now).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.now()?.prune(before).await
    }
}

impl<I> fmt::Debug for Purchases<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Purchases").finish()
    }
}

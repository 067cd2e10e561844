//! An inbox in whose transactions a handler can write.

use std::time::Duration;

use async_trait::async_trait;

use super::{Inbox, Lease};
use crate::clock::Timestamp;
use crate::store_error::StoreError;

/// An inbox in whose transactions a handler can write: what a [`TransactionalHandler`](crate::TransactionalHandler) wrote and the
/// completion of its delivery are committed together, or neither is.
///
/// Dropping an open transaction rolls it back.
#[async_trait]
pub trait TransactionalInbox: Inbox {
    /// What a handler writes through.
    type Transaction: Send + 'static;

    /// A transaction that is open, with whatever the inbox needs to end it. It may be `Transaction` itself.
    type Open: AsMut<Self::Transaction> + Send + 'static;

    /// Opens a transaction that is meant to last no longer than `limit`, after which the store may end it by itself: a worker that was
    /// frozen or cut off must not hold locks for ever. It must not lock the delivery before its completion, because leases are renewed
    /// meanwhile.
    ///
    /// A call that is dropped leaves nothing open.
    ///
    /// # Errors
    /// When none can be opened now. The delivery is tried again a little later, and the attempt does not count.
    async fn begin(&self, limit: Duration) -> Result<Self::Open, StoreError>;

    /// Ends `lease` with [`Settled::Handled`](super::Settled::Handled) in the transaction, and commits both, durably. `false`: the
    /// lease had been lost, and nothing of it happened.
    ///
    /// # Errors
    /// Nothing of it happened, unless the connection was lost in the very moment of the commit, or the call was dropped: then the
    /// delivery's state tells. With [`Refused`](crate::StoreErrorKind::Refused), the handler ended the transaction itself: what it
    /// wrote before may have been committed, and the delivery was not completed.
    async fn complete(&self, transaction: Self::Open, now: Timestamp, lease: Lease) -> Result<bool, StoreError>;

    /// Rolls back after the handler failed.
    ///
    /// # Errors
    /// With [`Refused`](crate::StoreErrorKind::Refused), the handler ended the transaction itself, and what it wrote before may have
    /// been committed. With any other kind, the transaction turned out never to have been open, which is not the handler's fault: the
    /// attempt does not count.
    async fn roll_back(&self, transaction: Self::Open) -> Result<(), StoreError>;
}

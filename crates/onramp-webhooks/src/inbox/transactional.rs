//! The contract of inboxes with transactions.

use std::time::Duration;

use async_trait::async_trait;

use super::{Inbox, Lease};
use crate::clock::Timestamp;
use crate::error::StoreError;

/// An inbox with transactions for handlers: the writes of a [`TransactionalHandler`](crate::TransactionalHandler) and the
/// completion of its delivery are committed together or not at all.
///
/// Dropping an open transaction rolls it back.
///
/// # Example
/// An inbox in memory with a ledger that handlers write to. A store on a database uses one of the database's transactions instead.
///
#[doc = concat!("```\n", include_str!("../../docs/ledger_inbox.rs"))]
///
/// # use std::sync::Arc;
/// # use onramp_webhooks::adapter::{Full, Request};
/// # use onramp_webhooks::{Delivery, HandlerError, Receiver, TransactionalHandler, Wert};
/// struct Shop;
///
/// #[async_trait]
/// impl TransactionalHandler<LedgerTransaction> for Shop {
///     async fn handle(&self, delivery: &Delivery, transaction: &mut LedgerTransaction) -> Result<(), HandlerError> {
///         transaction.write(delivery.event().type_name());
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let inbox = Arc::new(LedgerInbox::default());
/// let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
/// let worker = receiver.transactional_worker(Arc::clone(&inbox), Shop).spawn();
/// # let login = Full::new(r#"{"type":"login","click_id":"42"}"#);
/// # receiver.receive(&Request::new("POST", "/wert/s3cret-for-examples", None, &[]), login).await;
/// # worker.idle().await;
/// assert_eq!(inbox.lines().await, ["login"]);
/// # worker.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait TransactionalInbox: Inbox {
    /// The transaction that is passed to the handler.
    type Transaction: Send + 'static;

    /// An open transaction, with everything that the inbox needs to end it. Often the same type as `Transaction`.
    type Open: AsMut<Self::Transaction> + Send + 'static;

    /// Opens a transaction that should last no longer than `limit`. The store may end it after that time, so that a frozen worker
    /// does not hold locks for ever. The transaction must not lock the delivery before its completion, because its lease is renewed
    /// while the transaction is open.
    ///
    /// A dropped call leaves no transaction open.
    ///
    /// # Errors
    /// Returns an error if no transaction can be opened now. The delivery is tried again later, and the attempt does not count.
    async fn begin(&self, limit: Duration) -> Result<Self::Open, StoreError>;

    /// Settles `lease` as [`Handled`](super::Settled::Handled) in the transaction and commits durably. Returns `false`, and commits
    /// nothing, if the lease was lost.
    ///
    /// # Errors
    /// Returns an error if the transaction was not committed. If the connection was lost during the commit, or the call was
    /// dropped, the transaction may have been committed; the state of the delivery shows the result.
    /// [`Refused`](crate::StoreErrorKind::Refused) means that the handler ended the transaction itself: its earlier writes may be
    /// committed, and the delivery is not completed.
    async fn complete(&self, transaction: Self::Open, now: Timestamp, lease: Lease) -> Result<bool, StoreError>;

    /// Rolls back the transaction after the handler has failed.
    ///
    /// # Errors
    /// Returns [`Refused`](crate::StoreErrorKind::Refused) if the handler ended the transaction itself; its earlier writes may be
    /// committed. Any other kind means that the transaction was never open, which is not the handler's fault: the attempt does not
    /// count.
    async fn roll_back(&self, transaction: Self::Open) -> Result<(), StoreError>;
}

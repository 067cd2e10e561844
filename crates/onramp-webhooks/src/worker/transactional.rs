//! Handlers in the transaction that completes their delivery.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use super::attempt::{AttemptContext, AttemptEnd};
use super::handling::{HANDLER, Handling, limited};
use super::{Delivery, HandlerError, TransactionalHandler};
use crate::error::StoreErrorKind;
use crate::inbox::{DeadCause, Lease, TransactionalInbox};
use crate::panics::caught;
use crate::timeout::within;

pub(super) struct Transactional<I, H> {
    pub(super) inbox: Arc<I>,
    pub(super) handler: H,
}

/// Minimum time limit for a rollback, even if the attempt's own time is over. The result of the rollback shows whether the
/// transaction was still open.
const ROLLBACK: Duration = Duration::from_secs(1);

#[async_trait]
impl<I, H> Handling for Transactional<I, H>
where
    I: TransactionalInbox,
    H: TransactionalHandler<I::Transaction>,
{
    /// The timeout covers the handler and the commit. Opening the transaction has a separate limit of the same length, so that a
    /// busy store does not reduce the handler's time.
    async fn call(&self, context: AttemptContext<'_>, delivery: &Delivery, lease: Lease) -> AttemptEnd {
        let limit = context.timeout();
        let mut open = match within(limit, "begin a transaction", self.inbox.begin(limit)).await {
            Ok(open) => open,
            Err(error) => return context.no_transaction(&error),
        };
        let begun = Instant::now();
        let handling = caught(async { self.handler.handle(delivery, open.as_mut()).await });
        let result = limited(HANDLER, limit, handling).await;
        let left = limit.saturating_sub(begun.elapsed());
        match result {
            Ok(()) => self.complete(context, delivery, open, lease, left).await,
            Err(error) => self.roll_back(context, open, error, left).await,
        }
    }

    fn is_transactional(&self) -> bool {
        true
    }
}

impl<I, H> Transactional<I, H>
where
    I: TransactionalInbox,
    H: TransactionalHandler<I::Transaction>,
{
    async fn complete(
        &self,
        context: AttemptContext<'_>,
        delivery: &Delivery,
        open: I::Open,
        lease: Lease,
        left: Duration,
    ) -> AttemptEnd {
        match timeout(left, self.inbox.complete(open, context.clock().now(), lease)).await {
            Ok(Ok(true)) => {
                if caught(async { self.handler.committed(delivery) }).await.is_err() {
                    tracing::error!(id = %lease.id, "the handler panicked in `committed`");
                }
                AttemptEnd::Committed
            }
            Ok(Ok(false)) => AttemptEnd::Lost,
            Ok(Err(error)) if error.kind() == StoreErrorKind::Refused => ended_by_handler(context, error),
            Ok(Err(error)) => context.settle(Err(HandlerError::transient(error))),
            Err(_) => {
                let limit = context.timeout();
                let late = format!("the handler and its commit took longer than {limit:?} (WorkerBuilder::attempt_timeout)");
                context.settle(Err(HandlerError::transient(late)))
            }
        }
    }

    async fn roll_back(&self, context: AttemptContext<'_>, open: I::Open, error: HandlerError, left: Duration) -> AttemptEnd {
        match timeout(left.max(ROLLBACK), self.inbox.roll_back(open)).await {
            Ok(Err(ended)) if ended.kind() == StoreErrorKind::Refused => {
                ended_by_handler(context, format!("{ended}; the handler itself failed with: {error}"))
            }
            Ok(Err(never_open)) => context.no_transaction(&never_open),
            // A rollback that took too long was dropped, which rolls back the transaction as well.
            Ok(Ok(())) | Err(_) => context.settle(Err(error)),
        }
    }
}

fn ended_by_handler(context: AttemptContext<'_>, error: impl Into<Box<dyn Error + Send + Sync>>) -> AttemptEnd {
    context.fail(&HandlerError::permanent(error), DeadCause::TransactionEnded)
}

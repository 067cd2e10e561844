//! A handler that writes through the transaction in which its delivery is completed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use super::handling::{Called, HANDLER, Handling, Means, within};
use crate::delivery::Delivery;
use crate::handler::{HandlerError, TransactionalHandler};
use crate::inbox::{Lease, TransactionalInbox};
use crate::store_error::{StoreError, StoreErrorKind};
use crate::unwinding::unwound;

pub(super) struct Transactional<I, H> {
    pub(super) inbox: Arc<I>,
    pub(super) handler: H,
}

/// How long the answer to a rollback is waited for, even when the time is up: it tells whether there was something to roll back.
const ROLLBACK: Duration = Duration::from_secs(1);

#[async_trait]
impl<I, H> Handling for Transactional<I, H>
where
    I: TransactionalInbox,
    H: TransactionalHandler<I::Transaction>,
{
    /// The timeout is for the handler and the commit. Opening the transaction may take as long again: the handler does not pay for a
    /// store that is busy.
    async fn call(&self, means: Means<'_>, delivery: &Delivery, lease: Lease) -> Called {
        let mut open = match timeout(means.timeout, self.inbox.begin(means.timeout)).await {
            Ok(Ok(open)) => open,
            Ok(Err(error)) => return Called::NeverBegan(error),
            Err(_) => return Called::NeverBegan(StoreError::new(StoreErrorKind::Unavailable, "begin a transaction in time")),
        };
        let begun = Instant::now();
        let handling = unwound(async { self.handler.handle(delivery, open.as_mut()).await });
        let result = within(HANDLER, means.timeout, handling).await;
        let rest = means.timeout.saturating_sub(begun.elapsed());
        match result {
            Ok(()) => match timeout(rest, self.inbox.complete(open, means.clock.now(), lease)).await {
                Ok(Ok(true)) => {
                    // What is committed is handled, whatever becomes of telling it.
                    if unwound(async { self.handler.committed(delivery) }).await.is_err() {
                        tracing::error!("the handler panicked when it was told of its commit");
                    }
                    Called::Committed
                }
                Ok(Ok(false)) => Called::Lost,
                Ok(Err(error)) => Called::Returned(Err(not_committed(error))),
                Err(_) => Called::Returned(Err(took_too_long(means))),
            },
            Err(error) => match timeout(rest.max(ROLLBACK), self.inbox.roll_back(open)).await {
                Ok(Err(ended)) if ended.kind() == StoreErrorKind::Refused => {
                    Called::Returned(Err(HandlerError::permanent(format!("{ended}; the handler itself failed with: {error}"))))
                }
                Ok(Err(never_began)) => Called::NeverBegan(never_began),
                // What was not rolled back in time was dropped, which rolls it back.
                Ok(Ok(())) | Err(_) => Called::Returned(Err(error)),
            },
        }
    }
}

fn not_committed(error: StoreError) -> HandlerError {
    match error.kind() {
        StoreErrorKind::Refused => HandlerError::permanent(error),
        _ => HandlerError::transient(error),
    }
}

fn took_too_long(means: Means<'_>) -> HandlerError {
    HandlerError::transient(format!("the handler and its commit took longer than {:?}", means.timeout))
}

//! Calling the handler, with or without a transaction.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::attempt::{AttemptContext, AttemptEnd};
use super::{Delivery, Handler, HandlerError};
use crate::inbox::Lease;
use crate::panics::{caught, message};

/// The name of the handler in error messages.
pub(super) const HANDLER: &str = "the handler";

/// A handler, as the worker's loop calls it.
#[async_trait]
pub(super) trait Handling: Send + Sync {
    /// Handles one delivery within the attempt timeout. Panics if the handler panics.
    async fn call(&self, context: AttemptContext<'_>, delivery: &Delivery, lease: Lease) -> AttemptEnd;

    /// Returns whether deliveries are completed in the handler's transactions, and not by the loop.
    fn is_transactional(&self) -> bool;
}

/// A handler without a transaction. The loop settles its deliveries in batches.
pub(super) struct Plain(pub(super) Arc<dyn Handler>);

#[async_trait]
impl Handling for Plain {
    async fn call(&self, context: AttemptContext<'_>, delivery: &Delivery, _: Lease) -> AttemptEnd {
        let handling = async { self.0.handle(delivery).await };
        context.settle(limited(HANDLER, context.timeout(), caught(handling)).await)
    }

    fn is_transactional(&self) -> bool {
        false
    }
}

/// Awaits user code within a time limit. A panic and a timeout become transient errors that name `who`.
pub(super) async fn limited<F>(who: &str, timeout: Duration, handling: F) -> Result<(), HandlerError>
where
    F: Future<Output = Result<Result<(), HandlerError>, Box<dyn Any + Send>>>,
{
    match tokio::time::timeout(timeout, handling).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(who, &*panic)),
        Err(_) => Err(HandlerError::transient(format!("{who} took longer than {timeout:?} (WorkerBuilder::attempt_timeout)"))),
    }
}

pub(super) fn panicked(who: &str, panic: &(dyn Any + Send)) -> HandlerError {
    HandlerError::transient(format!("{who} panicked: {}", message(panic)))
}

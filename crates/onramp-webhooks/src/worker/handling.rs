//! How an attempt calls the handler, and completes what was handled: by itself or through the loop.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::handler::{Handler, HandlerError};
use crate::inbox::Lease;
use crate::store_error::StoreError;
use crate::unwinding::{message, unwound};

/// Who is to blame, in an error's text.
pub(super) const HANDLER: &str = "the handler";

/// What an attempt may use.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) timeout: Duration,
}

/// What came of calling the handler.
pub(super) enum Called {
    /// The handler returned, panicked, or took too long; what becomes of the delivery is still to be written.
    Returned(Result<(), HandlerError>),
    /// Handled, and written together with what the handler wrote.
    Committed,
    /// Another worker had taken over; nothing of it happened.
    Lost,
    /// A check said no, and the handler was not called; what becomes of the delivery is still to be written.
    Stopped(HandlerError),
    /// The handler is not to blame.
    NeverBegan(StoreError),
}

/// A handler, as the loop sees it.
#[async_trait]
pub(super) trait Handling: Send + Sync {
    /// Handles one delivery, within the time that there is. May panic as the handler may.
    async fn call(&self, means: Means<'_>, delivery: &Delivery, lease: Lease) -> Called;
}

/// A handler whose deliveries the loop completes, many at once.
pub(super) struct Plain(pub(super) Arc<dyn Handler>);

#[async_trait]
impl Handling for Plain {
    async fn call(&self, means: Means<'_>, delivery: &Delivery, _: Lease) -> Called {
        let handling = async { self.0.handle(delivery).await };
        Called::Returned(within(HANDLER, means.timeout, unwound(handling)).await)
    }
}

/// The result of a handler, or of whatever `who` is, that may panic and take too long; both are transient errors.
pub(super) async fn within<F>(who: &str, timeout: Duration, handling: F) -> Result<(), HandlerError>
where
    F: Future<Output = Result<Result<(), HandlerError>, Box<dyn Any + Send>>>,
{
    match tokio::time::timeout(timeout, handling).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(who, &*panic)),
        Err(_) => Err(HandlerError::transient(format!("{who} took longer than {timeout:?}"))),
    }
}

pub(super) fn panicked(who: &str, panic: &(dyn Any + Send)) -> HandlerError {
    HandlerError::transient(format!("{who} panicked: {}", message(panic)))
}

//! How an attempt calls the handler, and completes what was handled: by itself or through the loop.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::handler::{Handler, HandlerError};
use crate::inbox::Lease;
use crate::store_error::StoreError;

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
        Called::Returned(within(means.timeout, unwound(handling)).await)
    }
}

/// The result of a handler that may panic and take too long; both are transient errors.
pub(super) async fn within<F>(timeout: Duration, handling: F) -> Result<(), HandlerError>
where
    F: Future<Output = Result<Result<(), HandlerError>, Box<dyn Any + Send>>>,
{
    match tokio::time::timeout(timeout, handling).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(&*panic)),
        Err(_) => Err(HandlerError::transient(format!("the handler took longer than {timeout:?}"))),
    }
}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> HandlerError {
    HandlerError::transient(format!("the handler panicked: {}", message(panic)))
}

/// A future that answers a panic instead of passing it on. The handler is not polled again after it, and shares nothing with this
/// crate that a panic could leave half-changed.
pub(super) async fn unwound<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

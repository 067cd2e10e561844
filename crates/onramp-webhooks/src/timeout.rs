//! Time limits for store calls.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::error::{StoreError, StoreErrorKind};

/// Awaits `work` for at most `limit`. Returns [`Unavailable`](StoreErrorKind::Unavailable) if it takes longer; the operation may
/// have taken effect anyway.
pub(crate) async fn within<T>(
    limit: Duration,
    context: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut work = pin!(work);
    // A store in memory is ready at once, and a timer would cost more than its call.
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        return done;
    }
    let late = |_| StoreError::new(StoreErrorKind::Unavailable, context).because(format!("no answer within {limit:?}"));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

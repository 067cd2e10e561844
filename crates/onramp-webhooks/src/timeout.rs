//! Time limits for store calls.

use std::future::Future;
use std::time::Duration;

use crate::error::{StoreError, StoreErrorKind};

/// Awaits `work` for at most `limit`. Returns [`Unavailable`](StoreErrorKind::Unavailable) if it takes longer; the operation may
/// have taken effect anyway.
pub(crate) async fn within<T>(
    limit: Duration,
    context: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::new(StoreErrorKind::Unavailable, context).because(format!("no answer within {limit:?}"));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

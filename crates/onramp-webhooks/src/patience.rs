//! Not waiting for ever.

use std::future::Future;
use std::time::Duration;

use crate::store_error::{StoreError, StoreErrorKind};

/// What `work` answers, or that it did not answer in time.
pub(crate) async fn within<T>(
    limit: Duration,
    context: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::new(StoreErrorKind::Unavailable, context).because(format!("no answer within {limit:?}"));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

//! A connection pool for applications that do not have one.

use std::time::Duration;

use onramp_webhooks::StoreError;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::error::failed;

/// The time that a call waits for a connection. It leaves the receiver time to respond before its ack deadline.
const ACQUIRE: Duration = Duration::from_millis(2_500);

/// Connects a pool to `url`.
pub(crate) async fn connect(url: &str) -> Result<PgPool, StoreError> {
    PgPoolOptions::new().acquire_timeout(ACQUIRE).connect(url).await.map_err(failed("connect to the database"))
}

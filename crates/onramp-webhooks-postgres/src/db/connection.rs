//! A connection pool for applications that do not have one.

use std::time::Duration;

use onramp_webhooks::StoreError;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::error::failed;

/// The time that a call waits for a connection. It leaves the receiver time to respond before its ack deadline.
const ACQUIRE: Duration = Duration::from_millis(2_500);

/// Connects a pool to `url`. A connection that was lost is noticed when its transaction begins, so it is not tested before. Connection poolers
/// refuse the setting that sqlx sends for floats, and the stores have none.
pub(crate) async fn connect(url: &str) -> Result<PgPool, StoreError> {
    let pool = PgPoolOptions::new().acquire_timeout(ACQUIRE).test_before_acquire(false);
    let connect = async { pool.connect_with(url.parse::<PgConnectOptions>()?.extra_float_digits(None)).await };
    connect.await.map_err(failed("connect to the database"))
}

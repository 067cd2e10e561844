//! Stores on a server of the test's own, and errors.

use onramp_webhooks::{StoreError, StoreErrorKind};
use onramp_webhooks_redis::RedisIdempotencyStore;
pub(crate) use onramp_webhooks_suite::keys::{KEEP, LEASE, ask, begin, claim, done, end, fingerprint, now, renew, running};
pub(crate) use onramp_webhooks_suite::wait::{until, within};

/// Opens a store on a server of the test's own.
pub(crate) async fn open(url: &str) -> RedisIdempotencyStore {
    RedisIdempotencyStore::connect(url).await.unwrap()
}

/// Returns the kind of an error.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.unwrap_err().kind()
}

//! What the cases of all suites are written with.

use std::future::Future;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;

/// Longer than anything takes that does not wait for something.
const SOON: Duration = Duration::from_secs(5);

/// The moment `seconds` after the suites' beginning of time.
pub(crate) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

/// Awaits what must come without any further doing.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap_or_else(|_| panic!("{what} did not come within {SOON:?}"))
}

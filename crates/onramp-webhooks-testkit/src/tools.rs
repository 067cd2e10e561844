//! Helpers for all suites.

use std::future::Future;
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;

/// The timeout for operations that complete without waiting.
const SOON: Duration = Duration::from_secs(5);

/// The moment at second `seconds` of a suite.
pub(crate) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

/// Awaits a future that must complete within a short time.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap_or_else(|_| panic!("{what} did not come within {SOON:?}"))
}

/// Calls `prune` until it removes nothing, and returns the number of removed entries.
pub(crate) async fn prune_all<F: Future<Output = Result<u64, StoreError>>>(prune: impl Fn() -> F) -> u64 {
    let mut pruned = 0;
    for _ in 0..10_000 {
        match prune().await.unwrap() {
            0 => return pruned,
            round => pruned += round,
        }
    }
    panic!("pruning does not end");
}

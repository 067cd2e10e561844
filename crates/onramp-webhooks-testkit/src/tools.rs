//! Helpers for all suites.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::{StoreError, StoreErrorKind};
use tokio::sync::Barrier;

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

/// Calls a store again that could not do it in time, as its callers would: it may be slow where the machine is busy with something else.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> Result<T, StoreError> {
    const TIMES: usize = 5;
    for _ in 1..TIMES {
        match call().await {
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {}
            done => return done,
        }
    }
    call().await
}

/// Runs all futures simultaneously, each in a separate task, and returns their results.
pub(crate) async fn at_once<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let futures: Vec<F> = futures.collect();
    let barrier = Arc::new(Barrier::new(futures.len()));
    let tasks = futures.into_iter().map(|future| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            barrier.wait().await;
            future.await
        })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
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

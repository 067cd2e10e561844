//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// Longer than anything takes that has to come by itself.
const SOON: Duration = Duration::from_secs(40);

/// Waits until a condition is true.
///
/// # Panics
/// If it is not true in time.
pub async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    within(SOON, what, is_so).await;
}

/// Does the same as [`until`], with a shorter time.
///
/// # Panics
/// If the condition is not true within `longest`.
pub async fn within(longest: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + longest;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within {longest:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

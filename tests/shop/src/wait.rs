//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// The timeout for responses, which is long enough for a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Calls `look` repeatedly until it returns a value, and returns that value. Panics after `longest`.
pub async fn within<T>(longest: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + longest;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not reached within {longest:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until a condition is true. Panics after [`SOON`].
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(SOON, what, async || is_so().await.then_some(())).await;
}

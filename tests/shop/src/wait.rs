//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// The limit for responses, generous enough for a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Returns what `look` finds, as soon as it finds something; fails when that takes longer than `longest`.
pub async fn within<T>(longest: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + longest;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {longest:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// As [`within`], for something that is true or not, [`SOON`].
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(SOON, what, async || is_so().await.then_some(())).await;
}

//! Waiting for the lock of another connection.
//!
//! SQLite's own timeout sleeps up to 100 ms between two attempts. A process that commits without a pause frees the lock for much shorter
//! times, so that one that sleeps would hardly ever get it.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The time between two attempts.
pub(super) const STEP: Duration = Duration::from_millis(1);

thread_local! {
    /// The time limit of this thread, and the time at which the current wait began.
    static LIMIT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Sets the time for which connections on this thread wait.
pub(super) fn wait_at_most(limit: Duration) {
    LIMIT.set(limit);
}

/// Runs `work` with a shorter time limit.
pub(super) fn waiting_at_most<T>(limit: Duration, work: impl FnOnce() -> T) -> T {
    let usual = LIMIT.replace(limit.min(LIMIT.get()));
    let result = work();
    LIMIT.set(usual);
    result
}

/// Waits a moment before the next attempt. Returns `false` after the time limit. The handler of a connection.
pub(super) fn wait(earlier: i32) -> bool {
    let now = Instant::now();
    if earlier == 0 {
        BEGAN.set(Some(now));
    }
    let is_early = BEGAN.get().is_some_and(|began| now.duration_since(began) < LIMIT.get());
    if is_early {
        std::thread::sleep(STEP);
    }
    is_early
}

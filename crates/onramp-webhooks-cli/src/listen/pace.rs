//! Receiving comes first: while many requests arrive, few deliveries are claimed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The time in which requests are counted.
const WINDOW: Duration = Duration::from_millis(100);

/// The number of requests in a window from which on receiving comes first.
const MANY: u32 = 200;

/// Maximum time that a claim waits. So some deliveries are handled at any rate of requests, and a lease is hardly shorter.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The rate of requests.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    since: Instant,
    requests: u32,
    /// Those of the window before.
    before: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Counted { since: Instant::now(), requests: 0, before: 0 }))
    }
}

impl Pace {
    /// Counts a request.
    pub(super) fn received(&self) {
        self.counted(|counted| counted.requests = counted.requests.saturating_add(1));
    }

    /// Waits while many requests arrive.
    pub(super) async fn calm(&self) {
        let begun = Instant::now();
        while self.is_busy() && begun.elapsed() < LONGEST_WAIT {
            sleep(LOOK_EVERY).await;
        }
    }

    fn is_busy(&self) -> bool {
        self.counted(|counted| counted.requests.max(counted.before) >= MANY)
    }

    fn counted<T>(&self, then: impl FnOnce(&mut Counted) -> T) -> T {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = counted.since.elapsed();
        if passed >= WINDOW {
            let before = if passed < WINDOW * 2 { counted.requests } else { 0 };
            *counted = Counted { since: Instant::now(), requests: 0, before };
        }
        then(&mut counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_waits_for_a_pause_in_the_requests_but_not_for_long() {
        let pace = Pace::default();
        let begun = Instant::now();
        pace.calm().await;
        (0..MANY - 1).for_each(|_| pace.received());
        pace.calm().await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "few requests hold up nothing");
        pace.received();
        pace.calm().await;
        let waited = begun.elapsed();
        assert!(waited >= WINDOW && waited <= WINDOW * 2 + LOOK_EVERY, "{waited:?}");
        let flood = async {
            loop {
                (0..MANY).for_each(|_| pace.received());
                sleep(WINDOW / 2).await;
            }
        };
        tokio::select! {
            () = flood => {}
            () = async { sleep(WINDOW).await; pace.calm().await } => {}
        }
        let waited = begun.elapsed() - waited;
        assert!(waited >= LONGEST_WAIT && waited < LONGEST_WAIT * 2, "{waited:?}");
    }
}

//! Retry policy: exponential backoff with full jitter.

use std::time::Duration;

/// The number of attempts for a failing event, and the pauses between them.
///
/// Pauses follow exponential backoff with full jitter: each pause is random, between zero and an upper bound that doubles with
/// every attempt. Full jitter spreads the retries of events that failed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts before a delivery becomes a dead letter. Default 20, which with the other defaults takes about four hours.
    pub attempts: u32,
    /// The upper bound of the pause after the first attempt. Default 1 s.
    pub first: Duration,
    /// The maximum of the upper bounds. Default 1 h.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 20, first: Duration::from_secs(1), longest: Duration::from_secs(3_600) }
    }
}

impl RetryPolicy {
    /// Creates a policy of at most `attempts` attempts, with a pause up to `first` after the first one and never more than `longest`.
    #[must_use]
    pub const fn new(attempts: u32, first: Duration, longest: Duration) -> Self {
        Self { attempts, first, longest }
    }

    /// Returns the pause after attempt number `attempt` (1 for the first), or `None` after the last attempt. `random` is a random
    /// number from 0 up to, but not including, 1.
    #[must_use]
    pub fn pause(&self, attempt: u32, random: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let bound = self.first.saturating_mul(1 << doublings).min(self.longest);
        Some(bound.mul_f64(random.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_longest_and_end_with_the_attempts() {
        let policy = RetryPolicy::new(6, Duration::from_secs(1), Duration::from_secs(5));
        let bounds: Vec<_> = (1..=7).map(|attempt| policy.pause(attempt, 1.0).map(|pause| pause.as_secs())).collect();
        assert_eq!(bounds, [Some(1), Some(2), Some(4), Some(5), Some(5), None, None]);
    }

    #[test]
    fn the_pause_is_spread_over_the_whole_range() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.pause(3, 0.0), Some(Duration::ZERO));
        assert_eq!(policy.pause(3, 0.5), Some(Duration::from_secs(2)));
        assert_eq!(policy.pause(3, 1.0), Some(Duration::from_secs(4)));
        assert_eq!(policy.pause(19, 1.0), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn no_number_of_attempts_overflows() {
        let policy = RetryPolicy::new(u32::MAX, Duration::from_secs(u64::MAX / 2), Duration::MAX);
        assert!(policy.pause(u32::MAX - 1, 0.999).is_some());
    }
}

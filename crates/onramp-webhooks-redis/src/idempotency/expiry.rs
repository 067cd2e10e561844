//! The time to live of entries.
//!
//! Each entry contains the time until which it is valid, and this time is compared with the caller's clock. Redis only removes entries
//! that no caller can use any more. Redis gets a duration and never a point in time, and the duration is longer than the remaining time
//! by the caller's clock.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::idempotency::ABANDONED_AFTER;

/// The tolerated difference between clocks.
const MARGIN: Duration = Duration::from_secs(3_600);

/// The maximum time to live in milliseconds, which every server accepts: three thousand years.
pub(super) const LONGEST: u64 = 100_000_000_000_000;

/// Returns the time to live of a claim after the end of its lease, in milliseconds.
pub(super) fn of_claims() -> u64 {
    millis(ABANDONED_AFTER + MARGIN)
}

/// Returns the time to live of a reply after its expiry, in milliseconds.
pub(super) fn of_replies() -> u64 {
    millis(MARGIN)
}

/// Returns the time to live of a new claim, in milliseconds.
pub(super) fn rest(now: Timestamp, lease_until: Timestamp) -> u64 {
    millis(lease_until.since(now)).saturating_add(of_claims()).min(LONGEST)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_lives_until_nobody_can_complete_it() {
        let at = Timestamp::from_millis;
        assert_eq!(rest(at(1_000), at(31_000)), 30_000 + 25 * 3_600_000);
        assert_eq!(rest(at(31_000), at(1_000)), 25 * 3_600_000);
        assert_eq!(rest(at(i64::MIN), at(i64::MAX)), LONGEST);
    }
}

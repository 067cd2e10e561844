//! When Redis may forget an entry by itself.
//!
//! What counts is the entry's own time, which is compared with the caller's clock. Redis only removes what no clock can ask for any more: it
//! is told how long from now, never until when, and always some time longer than the caller's clock says.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::idempotency::ABANDONED;

/// By so much may clocks differ, or go back, or the server's go forward.
const MARGIN: Duration = Duration::from_secs(3_600);

/// The longest time to live that any server takes: three thousand years.
pub(crate) const LONGEST: u64 = 100_000_000_000_000;

/// How much longer than its lease a claim lives, in milliseconds.
pub(crate) fn of_claims() -> u64 {
    millis(ABANDONED + MARGIN)
}

/// How much longer than it is kept a reply lives, in milliseconds.
pub(crate) fn of_replies() -> u64 {
    millis(MARGIN)
}

/// How long a new claim lives, in milliseconds.
pub(crate) fn rest(now: Timestamp, lease_until: Timestamp) -> u64 {
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

//! The share of the requests that repeated checks get.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;

const PERIOD: Duration = Duration::from_secs(1);

/// A number of checks for each second.
#[derive(Debug)]
pub(super) struct Share {
    per_second: usize,
    since: Timestamp,
    taken: usize,
}

impl Share {
    pub(super) const fn per_second(per_second: usize) -> Self {
        Self { per_second, since: Timestamp::from_millis(0), taken: 0 }
    }

    /// Takes one check of the current second. Returns `false` if none is left.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        if now < self.since || now.since(self.since) >= PERIOD {
            (self.since, self.taken) = (now, 0);
        }
        let is_left = self.taken < self.per_second;
        self.taken += usize::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_number() {
        let mut share = Share::per_second(2);
        let at = Timestamp::from_millis;
        let taken = [5_000, 5_001, 5_999, 6_000, 6_000, 6_500, 1_000, 1_001, 1_002].map(|now| share.take(at(now)));
        assert_eq!(taken, [true, true, false, true, true, false, true, true, false]);
    }
}

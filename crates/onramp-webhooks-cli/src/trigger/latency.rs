//! Latencies of any number of requests, in bounded memory.

use std::time::Duration;

/// Counts in each doubling of the latency: the error of a percentile is at most a 32nd.
const STEPS: u64 = 32;

/// A histogram of latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    number: u64,
    longest: Duration,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        let place = place(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.number += 1;
        self.longest = self.longest.max(latency);
    }

    /// Adds the latencies of another histogram.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.number += other.number;
        self.longest = self.longest.max(other.longest);
    }

    /// Returns the longest latency.
    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }

    /// Returns the latency that `percent` of the requests do not exceed, rounded up to a step.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.number.saturating_mul(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(highest(place)).min(self.longest);
            }
        }
        self.longest
    }
}

/// Returns the place of a value: values below 32 have places of their own, and each doubling after that has 32.
fn place(micros: u64) -> usize {
    let doublings = u64::from(micros.max(STEPS).ilog2() - STEPS.ilog2());
    usize::try_from(doublings * STEPS + (micros >> doublings)).unwrap_or(usize::MAX)
}

/// Returns the highest value of a place.
fn highest(place: usize) -> u64 {
    let place = place as u64;
    let doublings = (place / STEPS).saturating_sub(1);
    let step = place - doublings * STEPS;
    ((step + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_a_value_and_no_lower_place_does() {
        for micros in (0..5_000).chain([65_535, 65_536, 1_000_000, 5_000_000, 3_600_000_000, 1 << 50]) {
            let place = place(micros);
            assert!(highest(place) >= micros, "{micros}");
            assert!(place == 0 || highest(place - 1) < micros, "{micros}");
            assert!(highest(place) as f64 <= (micros as f64).mul_add(1.0 + 1.0 / 32.0, 1.0), "{micros}");
        }
    }

    #[test]
    fn percentiles_count_requests() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.percentile(50), latencies.longest()), (Duration::ZERO, Duration::ZERO));
        (1..=100).for_each(|micros| latencies.add(Duration::from_micros(micros)));
        latencies.add(Duration::from_secs(5));
        assert_eq!(latencies.percentile(1).as_micros(), 2);
        assert!((51..=53).contains(&latencies.percentile(50).as_micros()), "{:?}", latencies.percentile(50));
        assert!((99..=103).contains(&latencies.percentile(99).as_micros()), "{:?}", latencies.percentile(99));
        assert_eq!(latencies.percentile(100), Duration::from_secs(5));
    }
}

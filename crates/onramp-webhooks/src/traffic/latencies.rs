//! Durations, counted in classes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The upper bounds of the classes, in milliseconds. One more class has no bound.
const BOUNDS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// Durations: their number in each class, and the longest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latencies {
    /// Without the zeros at the end.
    counts: Vec<u64>,
    /// In milliseconds.
    max: u64,
}

impl Latencies {
    /// Returns how many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count))
    }

    /// Returns the longest duration; `None` if none was counted.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_millis(self.max))
    }

    /// Returns a duration that `percent` percent of the durations do not exceed: the bound of their class, or the longest duration if that is
    /// shorter. `None` if none was counted.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let count = self.count();
        let rank = (u128::from(count) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut counted = 0;
        let class = self.counts.iter().position(|count| {
            counted += u128::from(*count);
            counted >= rank
        })?;
        let bound = BOUNDS.get(class).copied().unwrap_or(u64::MAX);
        Some(Duration::from_millis(bound.min(self.max)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Adds the durations of another count.
    pub(super) fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.max = self.max.max(other.max);
    }
}

/// Counters of durations. They are atomics, so that requests do not wait for each other.
#[derive(Debug, Default)]
pub(super) struct LatencyCounters {
    counts: [AtomicU64; BOUNDS.len() + 1],
    max: AtomicU64,
}

impl LatencyCounters {
    pub(super) fn count(&self, took: Duration) {
        // A part of a millisecond counts as a whole one.
        let millis = took.as_secs().saturating_mul(1_000).saturating_add(u64::from(took.subsec_micros().div_ceil(1_000)));
        let class = BOUNDS.partition_point(|bound| *bound < millis);
        if let Some(count) = self.counts.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if self.max.load(Ordering::Relaxed) < millis {
            self.max.fetch_max(millis, Ordering::Relaxed);
        }
    }

    /// Returns what was counted, and begins again.
    pub(super) fn take(&self) -> Latencies {
        let mut counts: Vec<_> = self.counts.iter().map(|count| count.swap(0, Ordering::Relaxed)).collect();
        while counts.last() == Some(&0) {
            counts.pop();
        }
        Latencies { counts, max: self.max.swap(0, Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let counters = LatencyCounters::default();
        millis.into_iter().for_each(|millis| counters.count(Duration::from_millis(millis)));
        counters.take()
    }

    #[test]
    fn nothing_has_no_percentile() {
        let none = counted([]);
        assert_eq!((none.count(), none.max(), none.percentile(99)), (0, None, None));
    }

    #[test]
    fn a_percentile_is_the_bound_of_its_class_or_the_longest() {
        let latencies = counted((1..=98).map(|_| 3).chain([40, 7_000]));
        assert_eq!(latencies.percentile(50), Some(Duration::from_millis(5)));
        assert_eq!(latencies.percentile(98), Some(Duration::from_millis(5)));
        assert_eq!(latencies.percentile(99), Some(Duration::from_millis(50)));
        assert_eq!(latencies.percentile(100), Some(Duration::from_secs(7)));
        assert_eq!(counted([3]).percentile(50), Some(Duration::from_millis(3)));
    }

    #[test]
    fn a_part_of_a_millisecond_is_not_zero() {
        let counters = LatencyCounters::default();
        counters.count(Duration::from_micros(1_001));
        assert_eq!(counters.take().max(), Some(Duration::from_millis(2)));
    }

    #[test]
    fn taking_begins_again() {
        let counters = LatencyCounters::default();
        counters.count(Duration::from_secs(9));
        assert_eq!(counters.take().count(), 1);
        assert_eq!(counters.take(), Latencies::default());
    }

    proptest! {
        #[test]
        fn a_percentile_is_never_too_low(millis in prop::collection::vec(0..9_000_u64, 1..50), percent in 1..=100_u8) {
            let (latencies, mut sorted) = (counted(millis.clone()), millis);
            sorted.sort_unstable();
            let rank = (sorted.len() * usize::from(percent)).div_ceil(100).max(1);
            let exact = Duration::from_millis(sorted[rank - 1]);
            let found = latencies.percentile(percent).unwrap();
            prop_assert!(exact <= found && found <= latencies.max().unwrap());
        }

        #[test]
        fn adding_is_counting_all(one in prop::collection::vec(0..9_000_u64, 0..20), other in prop::collection::vec(0..9_000_u64, 0..20)) {
            let mut sum = counted(one.clone());
            sum.add(&counted(other.clone()));
            prop_assert_eq!(sum, counted(one.into_iter().chain(other)));
        }
    }
}

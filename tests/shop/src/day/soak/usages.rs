//! Memory and descriptors of processes in the course of a soak.

use std::time::Duration;

use crate::shop::Usage;

/// The bounds of the median in the last quarter: so many percent of the median in the second quarter, and an addition. Memory is
/// in KiB.
const MEMORY: (u64, u64) = (125, 8 * 1_024);
const DESCRIPTORS: (u64, u64) = (125, 8);

/// The samples of all processes. A process that ended and its successor are the same process here.
#[derive(Debug)]
pub(super) struct Usages {
    length: Duration,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    process: usize,
    quarter: usize,
    usage: Usage,
}

/// The medians and the maxima of a quarter.
#[derive(Clone, Copy, Debug, Default)]
struct Quarter {
    median: Usage,
    largest: Usage,
}

impl Usages {
    /// Creates an empty series of this length.
    pub(super) fn over(length: Duration) -> Self {
        Self { length, samples: Vec::new() }
    }

    /// Adds a sample. Those after the end belong to the last quarter.
    pub(super) fn add(&mut self, at: Duration, process: usize, usage: Usage) {
        let quarter = (0..3).filter(|quarter| at >= self.length * (quarter + 1) / 4).count();
        self.samples.push(Sample { process, quarter, usage });
    }

    /// Returns a line for each process whose memory or number of descriptors has grown.
    pub(super) fn violations(&self, names: &[String]) -> Vec<String> {
        let mut violations = Vec::new();
        for (process, name) in names.iter().enumerate() {
            let (second, last) = (self.quarter(process, 1).median, self.quarter(process, 3).median);
            let is_over = |last, second, (percent, more)| last > second * percent / 100 + more;
            if second == Usage::default() || last == Usage::default() {
                violations.push(format!("{name} was not measured in the second and in the last quarter"));
            }
            if is_over(last.memory, second.memory, MEMORY) {
                violations.push(format!("the memory of {name} grew from {} to {} KiB", second.memory, last.memory));
            }
            if is_over(last.descriptors, second.descriptors, DESCRIPTORS) {
                let (second, last) = (second.descriptors, last.descriptors);
                violations.push(format!("the descriptors of {name} grew from {second} to {last}"));
            }
        }
        violations
    }

    /// Returns the medians, and the maxima in brackets, as a table.
    pub(super) fn table(&self, names: &[String]) -> String {
        let mut table = format!("{:<14}", "process");
        (1..=4).for_each(|quarter| table += &format!(" {:>30}", format!("quarter {quarter}: MiB, descriptors")));
        for (process, name) in names.iter().enumerate() {
            table += &format!("\n{name:<14}");
            for quarter in (0..4).map(|quarter| self.quarter(process, quarter)) {
                let (median, largest) = (quarter.median, quarter.largest);
                let memory = format!("{} ({})", median.memory / 1_024, largest.memory / 1_024);
                table += &format!(" {:>30}", format!("{memory}, {} ({})", median.descriptors, largest.descriptors));
            }
        }
        table
    }

    fn quarter(&self, process: usize, quarter: usize) -> Quarter {
        let samples = self.samples.iter().filter(|sample| (sample.process, sample.quarter) == (process, quarter));
        let samples: Vec<_> = samples.map(|sample| sample.usage).collect();
        if samples.is_empty() {
            return Quarter::default();
        }
        let sorted = |number: fn(&Usage) -> u64| {
            let mut numbers: Vec<_> = samples.iter().map(number).collect();
            numbers.sort_unstable();
            (numbers[numbers.len() / 2], numbers[numbers.len() - 1])
        };
        let (memory, descriptors) = (sorted(|usage| usage.memory), sorted(|usage| usage.descriptors));
        Quarter {
            median: Usage { memory: memory.0, descriptors: descriptors.0 },
            largest: Usage { memory: memory.1, descriptors: descriptors.1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the violations of a process whose usage is computed from the minute.
    fn violations(usage: impl Fn(u64) -> (u64, u64)) -> Vec<String> {
        let mut usages = Usages::over(Duration::from_secs(60 * 40));
        for minute in 0..40 {
            let (memory, descriptors) = usage(minute);
            usages.add(Duration::from_secs(60 * minute), 0, Usage { memory, descriptors });
        }
        usages.violations(&["shop".to_owned()])
    }

    #[test]
    fn a_process_that_grows_is_named_and_one_that_varies_is_not() {
        assert!(violations(|minute| (20_000 + 100 * minute, 20 + minute % 7)).is_empty());
        assert!(violations(|minute| (if minute == 35 { 900_000 } else { 20_000 }, 20)).is_empty());
        assert_eq!(violations(|minute| (20_000 + 1_000 * minute, 20)), ["the memory of shop grew from 35000 to 55000 KiB"]);
        assert_eq!(violations(|minute| (20_000, 20 + minute)), ["the descriptors of shop grew from 35 to 55"]);
    }

    #[test]
    fn a_process_that_was_not_measured_is_a_violation() {
        assert_eq!(Usages::over(Duration::from_secs(60)).violations(&["shop".to_owned()]).len(), 1);
    }
}

//! The counters of one endpoint since they were last stored. They are atomics, so that requests do not wait for each other.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Traffic;
use super::counts::{MOST_ADDRESSES, RECORDED, REFUSED};
use super::latencies::LatencyCounters;

/// The results of attempts.
const RESULTS: [&str; 6] = ["handled", "retry", "parked", "dead", "released", "lost"];

/// Maximum number of addresses that are counted between two writes. Requests from others are counted without their address.
const MOST_COUNTED: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Meter {
    recorded: [AtomicU64; RECORDED.len()],
    refused: [AtomicU64; REFUSED.len()],
    acknowledgements: LatencyCounters,
    results: [AtomicU64; RESULTS.len()],
    handlers: LatencyCounters,
    refused_from: Mutex<HashMap<IpAddr, u64>>,
}

impl Meter {
    /// Counts a request by its outcome.
    pub(crate) fn received(&self, outcome: &str) {
        if !count(&self.recorded, &RECORDED, outcome) {
            count(&self.refused, &REFUSED, outcome);
        }
    }

    /// Counts the address of a refused request.
    pub(crate) fn refused_from(&self, address: IpAddr) {
        let mut counts = self.refused_from.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MOST_COUNTED || counts.contains_key(&address) {
            *counts.entry(address).or_default() += 1;
        }
    }

    /// Counts the time from the head of an admitted request to its reply.
    pub(crate) fn answered(&self, took: Duration) {
        self.acknowledgements.count(took);
    }

    /// Counts the end of an attempt, and the duration of the handler if it was called.
    pub(crate) fn attempted(&self, result: &str, took: Option<Duration>) {
        count(&self.results, &RESULTS, result);
        if let Some(took) = took {
            self.handlers.count(took);
        }
    }

    /// Returns what was counted, and begins again.
    pub(super) fn take(&self) -> Traffic {
        let mut outcomes = taken(&self.recorded, &RECORDED);
        outcomes.append(&mut taken(&self.refused, &REFUSED));
        let mut from: Vec<_> =
            std::mem::take(&mut *self.refused_from.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
        from.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Traffic {
            outcomes,
            acknowledgements: self.acknowledgements.take(),
            attempts: taken(&self.results, &RESULTS),
            handlers: self.handlers.take(),
            backlog: 0,
            refused_from: from.into_iter().take(MOST_ADDRESSES).map(|(address, count)| (address.to_string(), count)).collect(),
        }
    }
}

/// Counts `name`. Returns whether it is one of `names`.
fn count(counters: &[AtomicU64], names: &[&str], name: &str) -> bool {
    let counter = names.iter().position(|known| *known == name).and_then(|place| counters.get(place));
    counter.map(|counter| counter.fetch_add(1, Ordering::Relaxed)).is_some()
}

fn taken(counters: &[AtomicU64], names: &[&str]) -> BTreeMap<String, u64> {
    let counts = counters.iter().map(|counter| counter.swap(0, Ordering::Relaxed));
    names.iter().zip(counts).filter(|(_, count)| *count > 0).map(|(name, count)| ((*name).to_owned(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Outcome;

    #[test]
    fn taking_begins_again() {
        let meter = Meter::default();
        meter.received("new");
        meter.received("denied");
        meter.refused_from([192, 0, 2, 1].into());
        meter.answered(Duration::from_millis(1));
        meter.attempted("handled", Some(Duration::from_millis(1)));
        let taken = meter.take();
        assert_eq!((taken.received(), taken.refused(), taken.acknowledgements.count(), taken.handlers.count()), (1, 1, 1, 1));
        assert_eq!((taken.attempts.get("handled"), taken.refused_from.get("192.0.2.1")), (Some(&1), Some(&1)));
        assert!(meter.take().is_empty());
    }

    #[test]
    fn every_outcome_of_a_receiver_is_counted() {
        let outcomes = [
            Outcome::New,
            Outcome::Duplicate,
            Outcome::Conflict,
            Outcome::Spilled,
            Outcome::Unreadable(String::new()),
            Outcome::TooLarge,
            Outcome::NoEndpoint,
            Outcome::Denied,
            Outcome::Unverified,
            Outcome::Method,
            Outcome::BodyStopped,
            Outcome::NotRecorded,
        ];
        for outcome in outcomes {
            let meter = Meter::default();
            meter.received(outcome.as_str());
            let counted = meter.take();
            let is_recorded = u64::from(outcome.is_recorded());
            assert_eq!((counted.received(), counted.refused()), (is_recorded, 1 - is_recorded), "{outcome:?}");
        }
    }

    #[test]
    fn a_flood_from_many_addresses_keeps_few_of_them() {
        let meter = Meter::default();
        for address in 0..5_000 {
            meter.refused_from(IpAddr::from(std::net::Ipv4Addr::from(address)));
        }
        assert_eq!(meter.refused_from.lock().unwrap().len(), MOST_COUNTED);
        (0..9).for_each(|_| meter.refused_from([0, 0, 0, 7].into()));
        assert_eq!(meter.take().refused_from.get("0.0.0.7"), Some(&10));
    }
}

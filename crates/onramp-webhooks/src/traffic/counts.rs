//! Counts of requests and attempts in a span of time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Latencies;

/// Maximum number of addresses that are kept for a span of time.
pub(super) const MOST_ADDRESSES: usize = 8;

/// The outcomes of requests that were recorded.
pub(super) const RECORDED: [&str; 6] = ["new", "duplicate", "conflict", "spilled", "quarantined", "too_large"];

/// The other outcomes.
pub(super) const REFUSED: [&str; 6] = ["not_found", "denied", "unverified", "method_not_allowed", "body_stopped", "not_recorded"];

/// The requests to an endpoint in a span of time, and the attempts to handle its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Traffic {
    /// The number of requests by their outcome. The names are those of the metric `onramp_webhooks_received_total`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<String, u64>,
    /// The time from the head of each admitted request to its reply.
    #[serde(skip_serializing_if = "Latencies::is_empty")]
    pub acknowledgements: Latencies,
    /// The number of attempts by their result. The names are those of the metric `onramp_webhooks_attempts_total`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attempts: BTreeMap<String, u64>,
    /// The duration of each call of the handler.
    #[serde(skip_serializing_if = "Latencies::is_empty")]
    pub handlers: Latencies,
    /// The greatest age of the oldest due delivery, in milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) backlog: u64,
    /// The addresses that most refused requests came from, and their number. They are kept for two days, so a report of
    /// more than a day has none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_from: BTreeMap<String, u64>,
}

impl Traffic {
    /// Returns the number of requests that were recorded. Some have other replies than 200.
    #[must_use]
    pub fn received(&self) -> u64 {
        RECORDED.iter().filter_map(|outcome| self.outcomes.get(*outcome)).sum()
    }

    /// Returns the number of requests that were not recorded.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| !RECORDED.contains(&outcome.as_str())).map(|(_, count)| count).sum()
    }

    /// Returns the greatest age of the oldest due delivery. It is counted for the whole inbox, under the empty name.
    #[must_use]
    pub const fn backlog(&self) -> Duration {
        Duration::from_millis(self.backlog)
    }

    /// Adds what was counted elsewhere, or at another time.
    pub fn add(&mut self, other: &Self) {
        add(&mut self.outcomes, &other.outcomes);
        self.acknowledgements.add(&other.acknowledgements);
        add(&mut self.attempts, &other.attempts);
        self.handlers.add(&other.handlers);
        self.backlog = self.backlog.max(other.backlog);
        add(&mut self.refused_from, &other.refused_from);
        keep_most(&mut self.refused_from);
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the same without addresses.
    pub(super) fn without_addresses(&self) -> Self {
        Self { refused_from: BTreeMap::new(), ..self.clone() }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (name, more) in more {
        let count = counts.entry(name.clone()).or_default();
        *count = count.saturating_add(*more);
    }
}

/// Keeps the addresses with the greatest numbers.
fn keep_most(addresses: &mut BTreeMap<String, u64>) {
    if addresses.len() > MOST_ADDRESSES {
        let mut counts: Vec<_> = std::mem::take(addresses).into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        addresses.extend(counts.into_iter().take(MOST_ADDRESSES));
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(addresses: impl IntoIterator<Item = (usize, u64)>) -> Traffic {
        let refused_from = addresses.into_iter().map(|(name, count)| (format!("192.0.2.{name}"), count)).collect();
        Traffic { refused_from, ..Traffic::default() }
    }

    #[test]
    fn the_addresses_with_the_greatest_numbers_stay() {
        let mut sum = from((0..8).map(|name| (name, 10)));
        sum.add(&from([(9, 100), (7, 1)]));
        assert_eq!(sum.refused_from.len(), MOST_ADDRESSES);
        assert_eq!(sum.refused_from.get("192.0.2.9"), Some(&100));
        assert_eq!(sum.refused_from.get("192.0.2.7"), Some(&11));
    }

    #[test]
    fn every_outcome_is_received_or_refused() {
        let outcomes = RECORDED.iter().chain(&REFUSED).map(|name| ((*name).to_owned(), 1)).collect();
        let traffic = Traffic { outcomes, ..Traffic::default() };
        assert_eq!((traffic.received(), traffic.refused()), (6, 6));
    }

    #[test]
    fn what_another_version_counts_is_kept() {
        let stored = r#"{"outcomes":{"new":1,"postponed":2},"acknowledgements":{"counts":[1],"max":1},"colour":"red"}"#;
        let traffic: Traffic = serde_json::from_str(stored).unwrap();
        assert_eq!((traffic.received(), traffic.refused()), (1, 2));
    }
}

//! The figures of traffic, for people and programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Latencies, Traffic};

/// The figures of some traffic. Serialises to an object with the names of the fields, whose durations are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The number of requests that were recorded.
    pub received: u64,
    /// The number of requests that were not recorded.
    pub refused: u64,
    /// The number of requests by their outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The number of attempts by their result.
    pub attempts: BTreeMap<String, u64>,
    /// The time from the head of an admitted request to its reply; `None` if there was none.
    pub acknowledged: Option<Durations>,
    /// The duration of handlers; `None` if none was called.
    pub handled: Option<Durations>,
    /// The greatest age of the oldest due delivery.
    #[serde(serialize_with = "millis")]
    pub backlog: Duration,
    /// The addresses that most refused requests came from, the most frequent first.
    pub refused_from: Vec<Address>,
}

/// An address, and its number of refused requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Address {
    /// The address.
    pub address: String,
    /// The number of requests.
    pub requests: u64,
}

/// Durations. They serialise as milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Durations {
    /// The number of durations.
    pub count: u64,
    /// Half of them took no longer.
    #[serde(serialize_with = "millis")]
    pub p50: Duration,
    /// 99 of 100 took no longer.
    #[serde(serialize_with = "millis")]
    pub p99: Duration,
    /// The longest.
    #[serde(serialize_with = "millis")]
    pub max: Duration,
}

impl Traffic {
    /// Returns the figures.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut refused_from: Vec<_> = self
            .refused_from
            .iter()
            .map(|(address, requests)| Address { address: address.clone(), requests: *requests })
            .collect();
        refused_from.sort_by_key(|it| std::cmp::Reverse(it.requests));
        Summary {
            received: self.received(),
            refused: self.refused(),
            outcomes: self.outcomes.clone(),
            attempts: self.attempts.clone(),
            acknowledged: durations(&self.acknowledgements),
            handled: durations(&self.handlers),
            backlog: self.backlog(),
            refused_from,
        }
    }
}

fn durations(latencies: &Latencies) -> Option<Durations> {
    let (p50, p99, max) = (latencies.percentile(50)?, latencies.percentile(99)?, latencies.max()?);
    Some(Durations { count: latencies.count(), p50, p99, max })
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

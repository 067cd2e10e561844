//! Reading the traffic of a time window.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::slots::{self, Resolution};
use super::{Traffic, Window, names};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::Inbox;

/// The number of states that are read at the same time.
const AT_ONCE: usize = 8;

/// The traffic of an inbox in a time window.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The window.
    pub window: Window,
    /// The beginning of the first step.
    pub since: Timestamp,
    /// The traffic of each endpoint, step by step. Requests that matched no endpoint, and the [backlog](Traffic::backlog), have an empty name.
    pub endpoints: BTreeMap<String, Vec<Traffic>>,
}

impl Report {
    /// Returns the beginning of a step.
    #[must_use]
    pub fn at(&self, step: usize) -> Timestamp {
        self.since.after(self.window.step() * u32::try_from(step).unwrap_or(u32::MAX))
    }

    /// Returns the traffic of all endpoints together, step by step.
    #[must_use]
    pub fn steps(&self) -> Vec<Traffic> {
        let mut steps = vec![Traffic::default(); self.window.steps()];
        for traffic in self.endpoints.values() {
            steps.iter_mut().zip(traffic).for_each(|(step, traffic)| step.add(traffic));
        }
        steps
    }

    /// Returns the traffic of an endpoint in the whole window.
    #[must_use]
    pub fn of(&self, endpoint: &str) -> Traffic {
        let mut sum = Traffic::default();
        self.endpoints.get(endpoint).into_iter().flatten().for_each(|traffic| sum.add(traffic));
        sum
    }

    /// Returns the traffic of all endpoints in the whole window.
    #[must_use]
    pub fn total(&self) -> Traffic {
        let mut sum = Traffic::default();
        self.endpoints.values().flatten().for_each(|traffic| sum.add(traffic));
        sum
    }
}

/// Returns the traffic of the time before `now`. The minute that is not over yet is usually not stored.
///
/// # Errors
/// Returns an error if the inbox cannot be read.
pub async fn report(inbox: &dyn Inbox, window: Window, now: Timestamp) -> Result<Report, StoreError> {
    let resolution = match window {
        // Only minutes have addresses.
        Window::Hour | Window::Day => Resolution::Minute,
        Window::Week | Window::Quarter => Resolution::Quarter,
    };
    let step = millis(window.step());
    let steps = i64::try_from(window.steps()).unwrap_or(i64::MAX);
    let first = now.as_millis().div_euclid(step) - (steps - 1);
    let since = Timestamp::from_millis(first.saturating_mul(step));
    let first_period = resolution.period_of(resolution.span_of(since));
    let periods = first_period..=resolution.period_of(resolution.span_of(now));
    let names: BTreeSet<String> = names::load(inbox).await?;
    let wanted: Vec<(String, i64)> =
        names.into_iter().flat_map(|name| periods.clone().map(move |period| (name.clone(), period))).collect();
    let reads = wanted
        .into_iter()
        .map(|(name, period)| async move { slots::read(inbox, &name, resolution, period).await.map(|spans| (name, spans)) });
    let found: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    let mut endpoints: BTreeMap<String, Vec<Traffic>> = BTreeMap::new();
    for (name, spans) in found {
        let traffic = endpoints.entry(name).or_insert_with(|| vec![Traffic::default(); window.steps()]);
        for (span, counted) in spans {
            let place = span.saturating_mul(resolution.span()).div_euclid(step) - first;
            if let Some(place) = usize::try_from(place).ok().and_then(|place| traffic.get_mut(place)) {
                place.add(&counted);
            }
        }
    }
    Ok(Report { window, since, endpoints })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task of a server can wait for the report.
    #[test]
    fn the_future_can_be_sent() {
        fn check<F: Future + Send>(_: impl FnOnce(&'static dyn Inbox) -> F) {}
        check(|inbox| report(inbox, Window::Day, Timestamp::from_millis(0)));
    }
}

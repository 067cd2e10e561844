//! The place of traffic: a ring of task states for each endpoint, so that nothing has to be pruned.
//!
//! The minutes of an hour are one state, and so are the quarters of an hour of a day. An hour takes the place of the one two days before it,
//! and a day that of the one 92 days before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Traffic;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::inbox::{Inbox, TaskState};

/// The number of times that a state is written because another process was faster.
const TRIES: usize = 10;

/// The length of the spans that a state counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resolution {
    Minute,
    Quarter,
}

impl Resolution {
    /// Returns the length of a span, in milliseconds.
    pub(super) const fn span(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Quarter => 15 * 60_000,
        }
    }

    /// Returns the number of spans in a period, which is an hour or a day.
    const fn spans(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Quarter => 96,
        }
    }

    /// Returns the number of periods that are kept.
    pub(super) const fn periods(self) -> i64 {
        match self {
            Self::Minute => 48,
            Self::Quarter => 92,
        }
    }

    /// Returns the number of the span of a time.
    pub(super) const fn span_of(self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(self.span())
    }

    /// Returns the period of a span.
    pub(super) const fn period_of(self, span: i64) -> i64 {
        span.div_euclid(self.spans())
    }

    /// Returns the name of the state of a period.
    fn task(self, endpoint: &str, period: i64) -> String {
        let name = match self {
            Self::Minute => "minutes",
            Self::Quarter => "quarters",
        };
        format!("traffic/{endpoint}/{name}/{:02}", period.rem_euclid(self.periods()))
    }
}

/// The text of a state.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Period {
    /// The number of the hour or day.
    of: i64,
    /// The traffic by the number of the span.
    spans: BTreeMap<i64, Traffic>,
}

impl Period {
    /// Returns whether a state of `period`, or of a later one, is in its place. One that is more than a ring ahead was stored by a clock that
    /// was wrong.
    const fn is_kept_at(&self, period: i64, resolution: Resolution) -> bool {
        period <= self.of && self.of <= period.saturating_add(resolution.periods())
    }

    /// Reads a state. One that cannot be read, of another version or of no period, counts as empty.
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Adds the traffic of spans of one period to what is kept of an endpoint. Spans that are older than the period in their place are dropped.
pub(super) async fn add(
    inbox: &dyn Inbox,
    endpoint: &str,
    resolution: Resolution,
    period: i64,
    spans: &[(i64, &Traffic)],
) -> Result<(), StoreError> {
    change(inbox, &resolution.task(endpoint, period), |text| {
        let kept = Period::read(text).filter(|kept| kept.is_kept_at(period, resolution));
        let mut kept = kept.unwrap_or_else(|| Period { of: period, ..Period::default() });
        if kept.of > period {
            return None;
        }
        for (span, traffic) in spans {
            kept.spans.entry(*span).or_default().add(traffic);
        }
        serde_json::to_string(&kept).ok()
    })
    .await
}

/// Removes the minutes of an endpoint that have lain in the place of `hour` for too long, because nothing has come to take it.
pub(super) async fn expire(inbox: &dyn Inbox, endpoint: &str, hour: i64) -> Result<(), StoreError> {
    let resolution = Resolution::Minute;
    change(inbox, &resolution.task(endpoint, hour), |text| {
        Period::read(text).is_some_and(|kept| !kept.is_kept_at(hour, resolution)).then(String::new)
    })
    .await
}

/// Returns the traffic of an endpoint in a period, by the numbers of the spans, or in an older one that still has its place.
pub(super) async fn read(
    inbox: &dyn Inbox,
    endpoint: &str,
    resolution: Resolution,
    period: i64,
) -> Result<BTreeMap<i64, Traffic>, StoreError> {
    let state = inbox.task_state(&resolution.task(endpoint, period)).await?;
    Ok(Period::read(&state.text).unwrap_or_default().spans)
}

/// Changes a state, although other processes change it, too. `change` gets its text, and returns the new one, or `None` to leave it.
pub(super) async fn change(inbox: &dyn Inbox, task: &str, change: impl Fn(&str) -> Option<String>) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let state: TaskState = inbox.task_state(task).await?;
        let Some(text) = change(&state.text) else { return Ok(()) };
        let version = state.version;
        if inbox.set_task_state(state.at(version, text)).await? {
            return Ok(());
        }
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, "store the traffic").because("other processes store it at the same time"))
}

//! Health of the receiver and its endpoints.

use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::Receiver;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::{Counts, SpillStatus, State};
use crate::reply::Reply;
use crate::timeout::within;
use crate::watchdog::{EndpointStatus, check};
use crate::worker::WorkersStatus;

/// Time limit for counting deliveries, and for reading the spill. If it is exceeded, the report has `null` instead of the numbers.
const LONGEST_COUNT: Duration = Duration::from_secs(1);

impl Receiver {
    /// Returns the status of every endpoint, in the order in which they were added. See [`watchdog`](crate::watchdog).
    #[must_use]
    pub fn watch(&self) -> Vec<EndpointStatus> {
        let now = self.shared.clock.now();
        self.shared.endpoints.iter().map(|watched| watched.status(now)).collect()
    }

    /// Returns the reply to a health check that was sent with `method`: [`health`](Self::health) for `GET` and `HEAD`, and 405 for others.
    pub async fn health_check(&self, method: &str) -> Reply {
        match method {
            "GET" | "HEAD" => self.health().await,
            _ => Reply::not_checked(),
        }
    }

    /// Returns the reply to a health check, within three seconds: 200 if the inbox can record deliveries, and 503 otherwise. With a
    /// [spill](crate::spill), also 503 while the primary inbox fails [permanently](crate::StoreErrorKind::is_permanent).
    ///
    /// The body is a JSON object:
    /// - `healthy`: whether the status is 200.
    /// - `error`: the kind of the error with status 503, such as `"unavailable"`, or `null`. The log has the whole error.
    /// - `endpoints`: the result of [`watch`](Self::watch). An alarm does not change the status, because a process that is removed
    ///   from the load balancer receives nothing at all.
    /// - `counts`: the number of deliveries in each state, without those that are handled or
    ///   [resolved](crate::Inbox::resolve), or `null` if the inbox did not count them in time.
    /// - `spill`: `null` without a spill. `waiting` is the number of deliveries that wait in it, or `null` if it cannot be read;
    ///   `oldest_for` the time that the oldest has waited, and `open_for` the time for which deliveries have gone to the spill, in
    ///   seconds, or `null`. `error` is the kind of the last error, or `null`.
    /// - `worker`: the workers of this receiver. `last_claim` is the time of their last claim, in seconds since the Unix epoch, or
    ///   `null`. `running` is the number of workers that show signs of life, `silent` of those that have shown none for 45 seconds
    ///   more than their lease or poll interval, and `died` of those that ended without a shutdown, for example by a panic of the
    ///   inbox.
    ///
    /// The body contains neither secrets nor paths, but reveals the number of deliveries. Expose only the status to the public.
    pub async fn health(&self) -> Reply {
        let inbox = &self.shared.inbox;
        let checked = check(&**inbox).await;
        if let Err(error) = &checked {
            tracing::warn!(%error, "unhealthy");
        }
        let counting = async {
            if checked.is_ok() { within(LONGEST_COUNT, "count deliveries", inbox.open_counts()).await.ok() } else { None }
        };
        let (counts, spill) = tokio::join!(counting, within(LONGEST_COUNT, "read the spill", inbox.spill_status()));
        let now = self.shared.clock.now();
        let report = Report {
            healthy: checked.is_ok(),
            error: checked.as_ref().err().map(kind),
            endpoints: self.watch(),
            counts: counts.as_ref().map(ByState),
            spill: match &spill {
                Ok(spill) => spill.as_ref().map(|spill| SpillReport::new(spill, now)),
                Err(error) => Some(SpillReport::unread(error)),
            },
            worker: WorkerReport::new(self.shared.workers.status(now)),
        };
        Reply::health(report.healthy, &report)
    }
}

fn kind(error: &StoreError) -> &'static str {
    error.kind().as_str()
}

fn seconds(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(1_000)
}

#[derive(Serialize)]
struct Report<'a> {
    healthy: bool,
    error: Option<&'static str>,
    endpoints: Vec<EndpointStatus>,
    counts: Option<ByState<'a>>,
    spill: Option<SpillReport>,
    worker: WorkerReport,
}

#[derive(Default, Serialize)]
struct SpillReport {
    waiting: Option<u64>,
    oldest_for: Option<u64>,
    open_for: Option<u64>,
    error: Option<&'static str>,
}

impl SpillReport {
    fn new(spill: &SpillStatus, now: Timestamp) -> Self {
        let age = |since: Option<Timestamp>| since.map(|since| now.since(since).as_secs());
        Self {
            waiting: Some(spill.waiting),
            oldest_for: age(spill.oldest),
            open_for: age(spill.open_since),
            error: spill.error.as_ref().map(kind),
        }
    }

    fn unread(error: &StoreError) -> Self {
        Self { error: Some(kind(error)), ..Self::default() }
    }
}

#[derive(Serialize)]
struct WorkerReport {
    last_claim: Option<i64>,
    running: usize,
    silent: usize,
    died: usize,
}

impl WorkerReport {
    fn new(workers: WorkersStatus) -> Self {
        let WorkersStatus { last_claim, running, silent, died } = workers;
        Self { last_claim: last_claim.map(seconds), running, silent, died }
    }
}

struct ByState<'a>(&'a Counts);

impl Serialize for ByState<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        let mut open = self.0.iter().filter(|(state, _)| *state != State::Handled);
        open.try_for_each(|(state, count)| object.serialize_entry(state.as_str(), &count))?;
        object.end()
    }
}

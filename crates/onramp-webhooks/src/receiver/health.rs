//! Health of the receiver and its endpoints.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Receiver, time};
use crate::clock::Timestamp;
use crate::inbox::Counts;
use crate::reply::Reply;
use crate::timeout::within;
use crate::watchdog::EndpointStatus;

/// Time limit of the inbox's own check.
const LONGEST_CHECK: Duration = Duration::from_secs(2);

/// Time limit for counting deliveries. If it is exceeded, the report has `null` instead of counts.
const LONGEST_COUNT: Duration = Duration::from_secs(1);

impl Receiver {
    /// Returns the status of every endpoint, in the order in which they were added. See [`watchdog`](crate::watchdog).
    #[must_use]
    pub fn watch(&self) -> Vec<EndpointStatus> {
        let now = self.shared.clock.now();
        self.shared.endpoints.iter().map(|watched| watched.status(now)).collect()
    }

    /// Returns the reply to a health check, within three seconds: 200 if the inbox can record deliveries, and 503 otherwise.
    ///
    /// The body is `{"healthy":..,"endpoints":[..],"counts":{..},"worker":{"last_claim":..}}`. Endpoints are those of
    /// [`watch`](Self::watch); an alarm does not change the status, because a process that is removed from the load balancer
    /// receives nothing at all. Counts are the number of deliveries in each state, or `null` if the inbox did not count them in
    /// time. `last_claim` is the time of the last claim of a worker of this receiver, in seconds since the Unix epoch, or `null`.
    ///
    /// The body contains neither secrets nor paths, but reveals the number of deliveries. Expose only the status to the public.
    pub async fn health(&self) -> Reply {
        let inbox = &self.shared.inbox;
        let checked = within(LONGEST_CHECK, "check the inbox", inbox.check()).await;
        if let Err(error) = &checked {
            tracing::warn!(%error, "unhealthy");
        }
        let counts = if checked.is_ok() { within(LONGEST_COUNT, "count deliveries", inbox.counts()).await.ok() } else { None };
        let last_claim = time(self.shared.last_claim.load(Ordering::Relaxed));
        let report = Report {
            healthy: checked.is_ok(),
            endpoints: self.watch(),
            counts: counts.as_ref().map(ByState),
            worker: WorkerReport { last_claim: last_claim.map(seconds) },
        };
        Reply::health(report.healthy, &report)
    }
}

fn seconds(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(1_000)
}

#[derive(Serialize)]
struct Report<'a> {
    healthy: bool,
    endpoints: Vec<EndpointStatus>,
    counts: Option<ByState<'a>>,
    worker: WorkerReport,
}

#[derive(Serialize)]
struct WorkerReport {
    last_claim: Option<i64>,
}

struct ByState<'a>(&'a Counts);

impl Serialize for ByState<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        self.0.iter().try_for_each(|(state, count)| object.serialize_entry(state.as_str(), &count))?;
        object.end()
    }
}

//! The monitor, which checks all endpoints every minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::{Counters, EndpointStatus, Verdict};
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::error::StoreError;
use crate::inbox::{Filter, Inbox, SpillStatus, State, find_first};
use crate::provider::Endpoint;
use crate::telemetry;
use crate::timeout::within;
use crate::traffic::{Meter, Meters};
use crate::worker::Workers;

/// Pause between two checks.
pub(crate) const CHECK_EVERY: Duration = Duration::from_secs(60);

/// Pause between two reads of the inbox, for its quarantine, and while an endpoint is silent.
const READ_EVERY: Duration = Duration::from_secs(600);

/// Maximum number of purchases in quarantine that are counted.
const MOST_COUNTED: usize = 1_000;

/// Time limit of reading the inbox.
const LONGEST_READ: Duration = Duration::from_secs(20);

/// Time limit of the inbox's own check.
const LONGEST_CHECK: Duration = Duration::from_secs(2);

/// Time after which a delivery that no worker has claimed is reported.
const UNCLAIMED_FOR: Duration = Duration::from_secs(60);

/// An endpoint and its counters.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) meter: Arc<Meter>,
}

/// The first delivery that was recorded by this receiver since the last known claim of a worker, and its time. Zero means none.
#[derive(Debug, Default)]
pub(crate) struct Unclaimed {
    id: AtomicI64,
    recorded_at: AtomicI64,
}

impl Unclaimed {
    /// Stores a new delivery unless one is stored already.
    pub(crate) fn recorded(&self, id: DeliveryId, now: Timestamp) {
        if self.id.load(Ordering::Relaxed) == 0
            && self.id.compare_exchange(0, id.as_i64(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.recorded_at.store(now.as_millis(), Ordering::Relaxed);
        }
    }

    /// Returns the stored delivery if it has waited for a minute.
    fn overdue(&self, now: Timestamp) -> Option<DeliveryId> {
        let (id, at) = (self.id.load(Ordering::Relaxed), self.recorded_at.load(Ordering::Relaxed));
        (id != 0 && at != 0 && now.since(Timestamp::from_millis(at)) >= UNCLAIMED_FOR).then(|| DeliveryId::from_i64(id))
    }

    fn clear(&self) {
        self.recorded_at.store(0, Ordering::Relaxed);
        self.id.store(0, Ordering::Relaxed);
    }
}

impl Watched {
    pub(crate) fn new(endpoint: Endpoint, meters: &Meters) -> Self {
        let meter = meters.of(&endpoint.name);
        Self { endpoint: Arc::new(endpoint), counters: Arc::default(), meter }
    }

    pub(crate) fn status(&self, now: Timestamp) -> EndpointStatus {
        EndpointStatus::new(&self.endpoint, &self.counters, now)
    }

    fn is_overdue(&self, now: Timestamp) -> bool {
        self.counters.is_overdue(now, self.endpoint.silent_after)
    }
}

/// The state of the monitor between two checks.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    read_at: Option<Timestamp>,
    quarantine_read_at: Option<Timestamp>,
    reported: Vec<Verdict>,
    reported_unclaimed: bool,
    reported_silent: usize,
}

impl Monitor {
    /// Checks all endpoints once, publishes their status and logs changes.
    pub(crate) async fn check(
        &mut self,
        inbox: &dyn Inbox,
        endpoints: &[Watched],
        unclaimed: &Unclaimed,
        workers: &Workers,
        now: Timestamp,
    ) {
        for watched in endpoints.iter().filter(|watched| !watched.counters.is_known.load(Ordering::Relaxed)) {
            recall(inbox, watched, now).await;
        }
        self.confirm_silence(inbox, endpoints, now).await;
        if is_long_ago(self.quarantine_read_at, now) {
            self.quarantine_read_at = Some(now);
            for watched in endpoints {
                recall_quarantine(inbox, watched).await;
            }
        }
        let statuses = endpoints.iter().map(|watched| watched.status(now)).collect::<Vec<_>>();
        for (at, status) in statuses.iter().enumerate() {
            telemetry::watched(&status.name, status.verdict.may_be_disabled(), status.silent_for);
            report(self.reported.get(at).copied(), status);
        }
        self.reported = statuses.into_iter().map(|status| status.verdict).collect();
        self.check_workers(workers, now);
        self.check_for_worker(inbox, unclaimed, now).await;
        if let Err(error) = check(inbox).await {
            tracing::error!(%error, "unhealthy: the inbox cannot record deliveries, or will never have those in its spill");
        }
        check_spill(inbox, now).await;
    }

    /// Reads the inbox before an endpoint counts as silent, because another receiver may have recorded a delivery.
    async fn confirm_silence(&mut self, inbox: &dyn Inbox, endpoints: &[Watched], now: Timestamp) {
        let overdue: Vec<_> = endpoints.iter().filter(|watched| watched.is_overdue(now)).collect();
        let is_new = overdue.iter().any(|watched| !watched.counters.silent.load(Ordering::Relaxed));
        if !overdue.is_empty() && (is_new || is_long_ago(self.read_at, now)) {
            self.read_at = Some(now);
            for watched in overdue {
                let is_silent = recall(inbox, watched, now).await && watched.is_overdue(now);
                watched.counters.silent.store(is_silent, Ordering::Relaxed);
            }
        }
        for watched in endpoints.iter().filter(|watched| !watched.is_overdue(now)) {
            watched.counters.silent.store(false, Ordering::Relaxed);
        }
    }

    /// Publishes the status of the workers, and reports one that has become silent.
    fn check_workers(&mut self, workers: &Workers, now: Timestamp) {
        let silent = workers.status(now).silent;
        if silent > self.reported_silent {
            tracing::error!(
                silent,
                "a worker shows no sign of life: a call of its inbox blocks its thread, or the runtime is overloaded"
            );
        }
        self.reported_silent = silent;
    }

    /// Reports a delivery that has waited for a minute without being claimed.
    async fn check_for_worker(&mut self, inbox: &dyn Inbox, unclaimed: &Unclaimed, now: Timestamp) {
        let Some(id) = unclaimed.overdue(now) else { return };
        let Some(record) = read(inbox.show(id)).await else { return };
        if record.is_none_or(|record| record.state != State::Pending) {
            unclaimed.clear();
            self.reported_unclaimed = false;
        } else if !self.reported_unclaimed {
            tracing::warn!(%id, "deliveries have waited for a minute and no worker has claimed them: start a worker on this inbox");
            self.reported_unclaimed = true;
        }
    }
}

/// Checks that the inbox can record deliveries, and publishes the result.
pub(crate) async fn check(inbox: &dyn Inbox) -> Result<(), StoreError> {
    let checked = within(LONGEST_CHECK, "check the inbox", inbox.check()).await;
    telemetry::checked_inbox(checked.is_ok());
    checked
}

/// Repeats at every check why deliveries go to the spill or wait in it, once this has lasted for a minute.
async fn check_spill(inbox: &dyn Inbox, now: Timestamp) {
    match within(LONGEST_READ, "read the spill", inbox.spill_status()).await {
        Ok(Some(SpillStatus { waiting, oldest, open_since, error })) => {
            let since = oldest.into_iter().chain(open_since).min();
            if since.is_some_and(|since| now.since(since) >= CHECK_EVERY) {
                let (error, age) =
                    (error.as_ref().map(tracing::field::display), oldest.map(|oldest| now.since(oldest).as_secs()));
                tracing::error!(waiting, age, error, "deliveries wait in the spill for the primary inbox");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "the spill cannot be read"),
    }
}

/// Reads the time of an endpoint's newest delivery from the inbox. Returns whether the inbox could be read.
async fn recall(inbox: &dyn Inbox, watched: &Watched, now: Timestamp) -> bool {
    let newest = find_first(inbox, Filter::all().endpoint(watched.endpoint.name()));
    let Some(newest) = read(newest).await else { return false };
    if let Some(at) = newest.map(|record| record.received_at).filter(|at| *at <= now) {
        watched.counters.recalled(at);
    }
    watched.counters.is_known.store(true, Ordering::Relaxed);
    true
}

/// Counts the purchases of an endpoint that are in quarantine and not resolved, up to [`MOST_COUNTED`].
async fn recall_quarantine(inbox: &dyn Inbox, watched: &Watched) {
    let Some(purchase) = watched.endpoint.facts().purchase_type else { return };
    let quarantined = Filter::all().state(State::Quarantined).resolved(false);
    let quarantined = quarantined.endpoint(watched.endpoint.name()).event_type(purchase).limit(MOST_COUNTED);
    if let Some(quarantined) = read(count(inbox, quarantined)).await {
        watched.counters.recalled_quarantine(quarantined);
    }
}

/// Counts deliveries, and stops after a full page.
async fn count(inbox: &dyn Inbox, filter: Filter) -> Result<usize, StoreError> {
    let (mut found, mut next) = (0, Some(filter));
    while let Some(filter) = next.filter(|filter| found < filter.page_size()) {
        let page = inbox.list(filter.clone()).await?;
        found += page.records.len();
        next = filter.following(&page);
    }
    Ok(found)
}

fn is_long_ago(read_at: Option<Timestamp>, now: Timestamp) -> bool {
    read_at.is_none_or(|at| now < at || now.since(at) >= READ_EVERY)
}

async fn read<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    let read = within(LONGEST_READ, "read recent deliveries", reading).await;
    read.inspect_err(|error| tracing::debug!(%error, "the inbox cannot be read")).ok()
}

/// Logs a change of a verdict.
fn report(before: Option<Verdict>, status: &EndpointStatus) {
    if before == Some(status.verdict) {
        return;
    }
    let (endpoint, verdict, advice) = (&*status.name, status.verdict, status.advice.as_deref());
    match status.verdict {
        Verdict::Refusing | Verdict::Silent => {
            tracing::warn!(endpoint, %verdict, advice, "the provider may stop sending, or has stopped");
        }
        Verdict::Attention => tracing::error!(endpoint, %verdict, advice, "purchases are in quarantine"),
        Verdict::Fine if before.is_some_and(Verdict::may_be_disabled) => {
            tracing::info!(endpoint, %verdict, "the provider's events are received again");
        }
        Verdict::Fine if before.is_some() => tracing::info!(endpoint, %verdict, "no purchases are in quarantine any more"),
        Verdict::Fine => {}
    }
}

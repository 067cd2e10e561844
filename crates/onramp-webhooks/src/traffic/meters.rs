//! The meters of a process, and their way into the inbox.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;

use super::meter::Meter;
use super::process::{self, Process};
use super::slots::{self, Resolution};
use super::{EVERYWHERE, Traffic, names};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::Inbox;
use crate::timeout::within;

/// Pause between two writes.
pub(crate) const STORE_EVERY: Duration = Duration::from_secs(60);

/// Minimum pause between two writes. The receiver and the workers of a process share their meters, and each of them stores them.
const AGAIN_AFTER: Duration = Duration::from_secs(45);

/// Time limit of storing everything.
const LONGEST_WRITE: Duration = Duration::from_secs(20);

/// Time limit of storing everything before a worker ends.
const LONGEST_LAST_WRITE: Duration = Duration::from_secs(5);

/// Maximum number of spans that wait because the inbox cannot be written. The oldest are dropped.
const MOST_WAITING: usize = 5_000;

/// The meters of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    by_endpoint: Mutex<BTreeMap<Arc<str>, Arc<Meter>>>,
    /// The greatest age of the oldest due delivery, in milliseconds.
    backlog: AtomicU64,
    /// A random name of the process.
    id: String,
    /// The status of the endpoints that the process receives from.
    statuses: Mutex<Vec<Value>>,
    unstored: AsyncMutex<Unstored>,
}

/// Counts that are not in the inbox yet.
#[derive(Debug, Default)]
struct Unstored {
    started_at: Option<Timestamp>,
    taken_at: Option<Timestamp>,
    /// The hour in which old minutes were removed last.
    expired_at: Option<i64>,
    /// By the number of the span and the endpoint.
    spans: BTreeMap<(Resolution, i64, Arc<str>), Traffic>,
}

impl Default for Shared {
    fn default() -> Self {
        let id = format!("{:08x}", fastrand::u32(..));
        Self {
            by_endpoint: Mutex::default(),
            backlog: AtomicU64::default(),
            id,
            statuses: Mutex::default(),
            unstored: AsyncMutex::default(),
        }
    }
}

impl Meters {
    /// Returns the meter of an endpoint.
    pub(crate) fn of(&self, endpoint: &Arc<str>) -> Arc<Meter> {
        let mut meters = self.by_endpoint();
        match meters.get(endpoint) {
            Some(meter) => Arc::clone(meter),
            None => Arc::clone(meters.entry(Arc::clone(endpoint)).or_default()),
        }
    }

    /// Returns the meter of requests that match no endpoint.
    pub(crate) fn elsewhere(&self) -> Arc<Meter> {
        self.of(&Arc::from(EVERYWHERE))
    }

    /// Notes the age of the oldest due delivery.
    pub(crate) fn backlog(&self, age: Duration) {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.0.backlog.fetch_max(millis, Ordering::Relaxed);
    }

    /// Replaces the status of the endpoints that this process receives from.
    pub(crate) fn publish(&self, endpoints: impl IntoIterator<Item = impl Serialize>) {
        let statuses = endpoints.into_iter().filter_map(|status| serde_json::to_value(status).ok()).collect();
        *self.0.statuses.lock().unwrap_or_else(PoisonError::into_inner) = statuses;
    }

    /// Stores what was counted since the last call, and a sign of life, at most every 45 seconds. What cannot be stored is kept for the next
    /// call.
    pub(crate) async fn store(&self, inbox: &dyn Inbox, now: Timestamp) {
        // A call that holds the lock stores the same.
        let Ok(mut unstored) = self.0.unstored.try_lock() else { return };
        if unstored.taken_at.is_none_or(|taken_at| now < taken_at || now.since(taken_at) >= AGAIN_AFTER) {
            self.store_now(inbox, &mut unstored, now, LONGEST_WRITE).await;
        }
    }

    /// Stores what was counted since the last call, before a worker ends.
    pub(crate) async fn store_the_rest(&self, inbox: &dyn Inbox, now: Timestamp) {
        // A call that holds the lock has taken the counts before.
        if let Ok(mut unstored) = timeout(LONGEST_LAST_WRITE, self.0.unstored.lock()).await {
            self.store_now(inbox, &mut unstored, now, LONGEST_LAST_WRITE).await;
        }
    }

    async fn store_now(&self, inbox: &dyn Inbox, unstored: &mut Unstored, now: Timestamp, limit: Duration) {
        self.take(unstored, now);
        let started_at = *unstored.started_at.get_or_insert(now);
        let process = Process {
            id: self.0.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            seen_at: now,
            endpoints: self.0.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        if let Err(error) = within(limit, "store the traffic", write(inbox, unstored, &process)).await {
            tracing::debug!(%error, "the traffic was not stored; it is stored with that of the next minute");
        }
    }

    /// Takes what the meters have counted. It is attributed to the middle of the time since it was taken last.
    fn take(&self, unstored: &mut Unstored, now: Timestamp) {
        let longest_ago = now.before(STORE_EVERY);
        let since = unstored.taken_at.replace(now).map_or(longest_ago, |at| at.clamp(longest_ago, now));
        let middle = since.after(now.since(since) / 2);
        let mut taken: Vec<(Arc<str>, Traffic)> =
            self.by_endpoint().iter().map(|(endpoint, meter)| (Arc::clone(endpoint), meter.take())).collect();
        let backlog = self.0.backlog.swap(0, Ordering::Relaxed);
        taken.push((Arc::from(EVERYWHERE), Traffic { backlog, ..Traffic::default() }));
        for (endpoint, traffic) in taken.into_iter().filter(|(_, traffic)| !traffic.is_empty()) {
            unstored.add(Resolution::Quarter, middle, &endpoint, &traffic.without_addresses());
            unstored.add(Resolution::Minute, middle, &endpoint, &traffic);
        }
        while unstored.spans.len() > MOST_WAITING {
            unstored.spans.pop_first();
        }
    }

    fn by_endpoint(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Meter>>> {
        self.0.by_endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unstored {
    fn add(&mut self, resolution: Resolution, at: Timestamp, endpoint: &Arc<str>, traffic: &Traffic) {
        match self.spans.entry((resolution, resolution.span_of(at), Arc::clone(endpoint))) {
            Entry::Vacant(place) => drop(place.insert(traffic.clone())),
            Entry::Occupied(mut place) => place.get_mut().add(traffic),
        }
    }

    /// Returns the endpoint and the spans of one state.
    fn next(&self) -> Option<(Resolution, i64, Arc<str>)> {
        let (resolution, span, endpoint) = self.spans.keys().next()?;
        Some((*resolution, resolution.period_of(*span), Arc::clone(endpoint)))
    }
}

async fn write(inbox: &dyn Inbox, unstored: &mut Unstored, process: &Process) -> Result<(), StoreError> {
    process::store(inbox, process).await?;
    names::store(inbox, unstored.spans.keys().map(|(_, _, endpoint)| endpoint)).await?;
    while let Some((resolution, period, endpoint)) = unstored.next() {
        let is_same =
            |key: &(Resolution, i64, Arc<str>)| key.0 == resolution && resolution.period_of(key.1) == period && key.2 == endpoint;
        let spans: Vec<_> =
            unstored.spans.iter().filter(|(key, _)| is_same(key)).map(|(key, traffic)| (key.1, traffic)).collect();
        slots::add(inbox, &endpoint, resolution, period, &spans).await?;
        unstored.spans.retain(|key, _| !is_same(key));
    }
    expire(inbox, unstored, process.seen_at).await
}

/// Removes old minutes of endpoints that receive nothing any more, once an hour. They have addresses.
async fn expire(inbox: &dyn Inbox, unstored: &mut Unstored, now: Timestamp) -> Result<(), StoreError> {
    let hour = Resolution::Minute.period_of(Resolution::Minute.span_of(now));
    let first = match unstored.expired_at {
        Some(expired_at) if expired_at == hour => return Ok(()),
        Some(expired_at) if expired_at == hour - 1 => hour,
        // Nobody may have done it in the hours before.
        _ => hour - Resolution::Minute.periods() + 1,
    };
    for name in names::load(inbox).await? {
        for hour in first..=hour {
            slots::expire(inbox, &name, hour).await?;
        }
    }
    unstored.expired_at = Some(hour);
    Ok(())
}

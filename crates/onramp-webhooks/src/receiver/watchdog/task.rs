//! Looks every minute, because silence makes no noise.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::{EndpointWatch, Verdict, history};
use crate::clock::{Clock, Timestamp};
use crate::inbox::{Inbox, Record};
use crate::receiver::{Endpoint, Shared};
use crate::store_error::{StoreError, StoreErrorKind};
use crate::telemetry;

const LOOK_EVERY: Duration = Duration::from_secs(60);

/// While an endpoint is silent, the inbox is asked this often whether other receivers hear of it.
const ASK_EVERY: Duration = Duration::from_secs(600);

/// This often the inbox is asked what other receivers have heard, silence or not: it may be all that there is to learn from.
const REMEMBER_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// An inbox that takes longer than this to say what it remembers is asked again at the next look.
const LONGEST_READ: Duration = Duration::from_secs(20);

/// Starts looking, if there is a runtime to do it on.
pub(in crate::receiver) fn start(shared: &Arc<Shared>) -> Option<AbortHandle> {
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    let looking = look_on(Arc::downgrade(shared), Arc::clone(&shared.clock));
    Some(runtime.spawn(looking).abort_handle())
}

async fn look_on(shared: Weak<Shared>, clock: Arc<dyn Clock>) {
    let mut watchdog = Watchdog::default();
    loop {
        // The receiver may end while this looks, so only what is needed is held.
        let Some((inbox, endpoints)) = shared.upgrade().map(|shared| (Arc::clone(&shared.inbox), shared.endpoints.clone()))
        else {
            return;
        };
        watchdog.look(&*inbox, &endpoints, clock.now()).await;
        drop((inbox, endpoints));
        clock.sleep_until(clock.now().after(LOOK_EVERY)).await;
    }
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
struct Watchdog {
    remembered_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    told: Vec<Verdict>,
}

impl Watchdog {
    async fn look(&mut self, inbox: &dyn Inbox, endpoints: &[Arc<Endpoint>], now: Timestamp) {
        if is_over(self.remembered_at, REMEMBER_EVERY, now) && remember(inbox, endpoints, now).await {
            self.remembered_at = Some(now);
        }
        if self.remembered_at.is_some() {
            self.judge_silence(inbox, endpoints, now).await;
        }
        let watched = endpoints.iter().map(|endpoint| endpoint.watch(now)).collect::<Vec<_>>();
        for (at, watch) in watched.iter().enumerate() {
            telemetry::watched(watch);
            tell(self.told.get(at).copied(), watch);
        }
        self.told = watched.into_iter().map(|watch| watch.verdict).collect();
    }

    /// Silence is what the inbox confirms, because this receiver may not be the only one.
    async fn judge_silence(&mut self, inbox: &dyn Inbox, endpoints: &[Arc<Endpoint>], now: Timestamp) {
        let overdue = || endpoints.iter().filter(|endpoint| endpoint.tally.is_overdue(now));
        let is_new = overdue().any(|endpoint| !endpoint.tally.silent.load(Ordering::Relaxed));
        let asked_long_ago = is_over(self.asked_at, ASK_EVERY, now);
        if overdue().next().is_some() && (is_new || asked_long_ago) && confirm(inbox, endpoints, now).await {
            self.asked_at = Some(now);
            overdue().for_each(|endpoint| endpoint.tally.silent.store(true, Ordering::Relaxed));
        }
        for endpoint in endpoints.iter().filter(|endpoint| !endpoint.tally.is_overdue(now)) {
            endpoint.tally.silent.store(false, Ordering::Relaxed);
        }
    }
}

/// Whether the time since `at` is over; after a clock went back, it is.
fn is_over(at: Option<Timestamp>, time: Duration, now: Timestamp) -> bool {
    at.is_none_or(|at| now < at || now.since(at) >= time)
}

/// Learns from the inbox what has come; answers whether it could.
async fn remember(inbox: &dyn Inbox, endpoints: &[Arc<Endpoint>], now: Timestamp) -> bool {
    let see = |record: &Record| {
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.name == record.endpoint) {
            endpoint.tally.rhythm.recalled(record.received_at);
        }
    };
    let Some(skipped) = in_time(history::read(inbox, None, now, see)).await else { return false };
    // Among many others, those of a rare endpoint may have been left out.
    for endpoint in endpoints.iter().filter(|endpoint| skipped && !endpoint.tally.rhythm.is_steady(now)) {
        in_time(history::read(inbox, Some(&endpoint.name), now, see)).await;
    }
    endpoints.iter().for_each(|endpoint| endpoint.tally.remembers.store(true, Ordering::Relaxed));
    true
}

/// Asks the inbox whether other receivers have heard of the endpoints that are silent here; answers whether it said.
async fn confirm(inbox: &dyn Inbox, endpoints: &[Arc<Endpoint>], now: Timestamp) -> bool {
    let mut others_heard = false;
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.tally.is_overdue(now)) {
        let Some(newest) = in_time(history::newest(inbox, &endpoint.name)).await else { return false };
        others_heard |= newest.filter(|at| *at <= now) > endpoint.tally.rhythm.last();
    }
    !others_heard || remember(inbox, endpoints, now).await
}

async fn in_time<T>(read: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    let late = |_| Err(StoreError::new(StoreErrorKind::Unavailable, "read what came").because("no answer in time"));
    tokio::time::timeout(LONGEST_READ, read)
        .await
        .unwrap_or_else(late)
        .inspect_err(|error| tracing::debug!(%error, "the inbox cannot say what came"))
        .ok()
}

/// Says it when a verdict changes for the worse, or back.
fn tell(before: Option<Verdict>, watch: &EndpointWatch) {
    if before == Some(watch.verdict) {
        return;
    }
    if watch.verdict.is_alarm() {
        tracing::warn!(endpoint = &*watch.name, verdict = %watch.verdict, advice = watch.advice, "the provider may stop sending, or has");
    } else if before.is_some_and(Verdict::is_alarm) {
        tracing::info!(endpoint = &*watch.name, verdict = %watch.verdict, "the provider's events are received again");
    }
}

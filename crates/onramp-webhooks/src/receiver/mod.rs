//! Receivers: from a request to a recorded delivery and its acknowledgement.
//!
//! The steps are admission, body, reading and recording.

mod ack_deadline;
mod admission;
mod builder;
mod health;
mod record;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::Instrument;

use self::admission::Admission;
pub use self::builder::{BuildError, ReceiverBuilder};
use crate::body::{self, Taken};
use crate::client_ip::ClientIp;
use crate::clock::{Clock, Timestamp};
use crate::delivery::read::{self, Read};
use crate::inbox::{Inbox, Recorded, TransactionalInbox};
use crate::log_limit::LogLimit;
use crate::provider::{Providers, SignedRequest};
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::telemetry;
use crate::traffic::{Meter, Meters};
use crate::watchdog::{CHECK_EVERY, EndpointStatus, Monitor, Sender, Unclaimed, Watched};
use crate::worker::{Handler, TransactionalHandler, WorkerBuilder, Workers};

/// A receiver, which records the events of providers and replies as each provider requires. Cheap to clone; clones share all state.
///
/// ```
/// use onramp_webhooks::adapter::{Full, Request};
/// use onramp_webhooks::inbox::MemoryInbox;
/// use onramp_webhooks::{Receiver, Wert};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
///
/// let headers = [("content-type", "application/json")];
/// let request = Request::new("POST", "/wert/s3cret-for-examples", None, &headers);
/// let reply = receiver.receive(&request, Full::new(r#"{"type":"login","click_id":"42"}"#)).await;
/// assert_eq!(reply.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Receiver {
    shared: Arc<Shared>,
}

struct Shared {
    inbox: Arc<dyn Inbox>,
    endpoints: Vec<Watched>,
    providers: Providers,
    client_ip: ClientIp,
    body_limit: usize,
    ack_deadline: Duration,
    clock: Arc<dyn Clock>,
    unclaimed: Unclaimed,
    strays: Strays,
    meters: Meters,
    workers: Workers,
    watchdog: OnceLock<AbortHandle>,
}

/// The log and the meter of requests to paths without an endpoint.
struct Strays {
    log: LogLimit,
    meter: Arc<Meter>,
}

impl Receiver {
    /// Returns a builder of a receiver that records into `inbox`.
    pub fn builder(inbox: impl Inbox) -> ReceiverBuilder {
        ReceiverBuilder::new(Arc::new(inbox))
    }

    /// Receives one request, whose body is a stream of chunks. For a body that is already complete, use
    /// [`Full`](crate::adapter::Full).
    ///
    /// The head is examined in the call itself. The returned future reads the body, records it, and resolves to the reply within
    /// the ack deadline. It never fails: every failure is one of the replies in the table of [`reply`](crate::reply).
    ///
    /// Dropping the future abandons the request. The delivery may or may not have been recorded; the sender gets no acknowledgement
    /// and sends it again.
    pub fn receive<S, E>(&self, request: &Request<'_>, body: S) -> impl Future<Output = Reply> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let begun = Instant::now();
        let admitted = admission::admit(&self.shared.endpoints, &self.shared.client_ip, request);
        let shared = Arc::clone(&self.shared);
        async move {
            shared.watch();
            match admitted {
                Err(refusal) => refusal.reply(shared.clock.now(), &shared.strays),
                Ok(admission) => {
                    let span = tracing::debug_span!("receive", endpoint = admission.watched.endpoint.name());
                    shared.take(admission, body, begun).instrument(span).await
                }
            }
        }
    }

    /// Returns the names of the endpoints. Each is reached at `/NAME`, with its secret as the next segment of the path.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> + '_ {
        self.shared.endpoints.iter().map(|watched| watched.endpoint.name())
    }

    /// Returns whether `path`, relative to the receiver's mount point, begins with the name of an endpoint. Any other path is free
    /// for other routes.
    #[must_use]
    pub fn serves(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let first = path.split_once('/').map_or(path, |(first, _)| first);
        self.endpoints().any(|name| name == first)
    }

    /// Returns the inbox.
    #[must_use]
    pub fn inbox(&self) -> &Arc<dyn Inbox> {
        &self.shared.inbox
    }

    /// Returns the providers whose events this receiver reads, for a [replay](crate::inbox::replay).
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.shared.providers
    }

    /// Returns a builder of a worker that calls `handler` for the recorded deliveries.
    pub fn worker(&self, handler: impl Handler) -> WorkerBuilder {
        self.configured(WorkerBuilder::new(Arc::clone(&self.shared.inbox), Arc::new(handler)))
    }

    /// Returns a builder of a worker whose handler writes in the transaction that completes each delivery. `inbox` is the inbox of
    /// this receiver, or another inbox on the same store.
    pub fn transactional_worker<I, H>(&self, inbox: Arc<I>, handler: H) -> WorkerBuilder
    where
        I: TransactionalInbox,
        H: TransactionalHandler<I::Transaction>,
    {
        self.configured(WorkerBuilder::transactional(inbox, handler))
    }

    fn configured(&self, worker: WorkerBuilder) -> WorkerBuilder {
        let Shared { endpoints, clock, providers, workers, meters, .. } = &*self.shared;
        let worker = worker.clock(Arc::clone(clock)).providers(providers.clone());
        let worker = worker.workers(workers.clone()).meters(meters.clone());
        endpoints.iter().fold(worker, |worker, watched| worker.endpoint(&watched.endpoint))
    }
}

impl Shared {
    /// Starts the watchdog as soon as there is a runtime.
    fn watch(self: &Arc<Self>) {
        if self.watchdog.get().is_some() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let watchdog = runtime.spawn(watch(Arc::downgrade(self), Arc::clone(&self.clock))).abort_handle();
        if let Err(second) = self.watchdog.set(watchdog) {
            second.abort();
        }
    }

    async fn take<S, E>(&self, admission: Admission, body: S, begun: Instant) -> Reply
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let (label, outcome) = self.receive(&admission, body, begun).await;
        let (endpoint, facts) = (&admission.watched.endpoint, admission.watched.endpoint.facts());
        let reply = outcome.reply(facts.acknowledgement);
        telemetry::received(&endpoint.name, facts.name, label, outcome.as_str(), reply.status());
        let (took, meter) = (begun.elapsed(), &admission.watched.meter);
        telemetry::answered(&endpoint.name, took);
        meter.received(outcome.as_str());
        meter.answered(took);
        let sender = if outcome == Outcome::Unverified { Sender::Guessing } else { Sender::Provider };
        admission.watched.counters.answered(self.clock.now(), sender, reply.status());
        reply
    }

    /// Reads and records an admitted request. Returns the type of its event for metrics, and the outcome.
    async fn receive<S, E>(&self, admission: &Admission, body: S, begun: Instant) -> (&'static str, Outcome)
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let body = body::take(body, self.body_limit, begun + ack_deadline::for_body(self.ack_deadline)).await;
        match self.read(admission, body) {
            Ok(read) => {
                let (label, now, unreadable_purchase) = (read.label, read.delivery.received_at, read.unreadable_purchase);
                let (outcome, recorded) = record::record(&*self.inbox, read, begun + self.ack_deadline).await;
                if outcome.is_recorded() {
                    admission.watched.counters.received(now);
                }
                if let Some(Recorded::New(id)) = recorded.filter(|_| outcome == Outcome::New) {
                    self.unclaimed.recorded(id, now);
                }
                if unreadable_purchase && matches!(recorded, Some(Recorded::New(_) | Recorded::Spilled)) {
                    telemetry::quarantined_purchase(&admission.watched.endpoint.name);
                    admission.watched.counters.quarantined_purchase();
                }
                (label, outcome)
            }
            Err(outcome) => ("unknown", outcome),
        }
    }

    /// Verifies and reads a body.
    fn read(&self, admission: &Admission, body: Taken) -> Result<Read, Outcome> {
        let (endpoint, now) = (&admission.watched.endpoint, self.clock.now());
        match body {
            Taken::Stopped => Err(Outcome::BodyStopped),
            Taken::Whole(body) => {
                let signed = SignedRequest::new(&admission.signed_headers, &body, now);
                endpoint.verify(&signed).map_err(|error| unverified(&admission.watched, now, &error))?;
                let read = read::delivery(&endpoint.name, endpoint.decoder, now, body);
                Ok(match &admission.encoding {
                    Some(encoding) => read::blame_encoding(read, encoding),
                    None => read,
                })
            }
            Taken::Cut(_) if !endpoint.facts().signed_headers.is_empty() => Err(unverified(
                &admission.watched,
                now,
                &"the body is larger than the limit, so its signature cannot be verified",
            )),
            Taken::Cut(body) => Ok(read::cut(&endpoint.name, endpoint.decoder, now, body, self.body_limit)),
        }
    }
}

fn unverified(watched: &Watched, now: Timestamp, why: &dyn fmt::Display) -> Outcome {
    if let Some(refusals) = watched.counters.unverified.count(now) {
        tracing::warn!(endpoint = watched.endpoint.name(), refusals, %why, "refused: not signed by the provider");
    }
    Outcome::Unverified
}

/// Runs the watchdog until the receiver is dropped.
async fn watch(shared: Weak<Shared>, clock: Arc<dyn Clock>) {
    let mut monitor = Monitor::default();
    while let Some(receiver) = shared.upgrade() {
        monitor.check(&*receiver.inbox, &receiver.endpoints, &receiver.unclaimed, &receiver.workers, clock.now()).await;
        receiver.meters.publish(receiver.endpoints.iter().map(|watched| watched.status(clock.now())));
        receiver.meters.store(&*receiver.inbox, clock.now()).await;
        drop(receiver);
        clock.sleep_until(clock.now().after(CHECK_EVERY)).await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.meters.publish(std::iter::empty::<EndpointStatus>());
        if let Some(watchdog) = self.watchdog.get() {
            watchdog.abort();
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("endpoints", &self.shared.endpoints.iter().map(|watched| &watched.endpoint).collect::<Vec<_>>())
            .field("inbox", &self.shared.inbox)
            .finish_non_exhaustive()
    }
}

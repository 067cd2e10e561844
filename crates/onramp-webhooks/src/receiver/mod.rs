//! From a request to a recorded delivery and its acknowledgement: gate → body → read → record, one file a step.

mod builder;
mod endpoint;
mod gate;
mod health;
pub(crate) mod read;
mod record;
pub mod watchdog;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::Instrument;

pub(crate) use self::builder::LONGEST_ACK_DEADLINE;
pub use self::builder::{BuildError, ReceiverBuilder};
pub use self::endpoint::Endpoint;
use self::gate::Admission;
use self::watchdog::Sender;
use crate::body::{self, Taken};
use crate::client_ip::ClientIp;
use crate::clock::{Clock, Timestamp};
use crate::handler::{Handler, TransactionalHandler};
use crate::inbox::{Inbox, Retention, TransactionalInbox};
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::telemetry;
use crate::worker::WorkerBuilder;

/// How much of the ack deadline a body may take; the rest is for recording it.
const BODY_SHARE: f64 = 0.75;

/// Records what providers send, and answers the way each of them needs. Cheap to clone; clones are the same receiver.
///
/// ```
/// use bytes::Bytes;
/// use onramp_webhooks::inbox::MemoryInbox;
/// use onramp_webhooks::{Receiver, Request, Wert};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret")).build()?;
///
/// let headers = [("content-type", "application/json")];
/// let request = Request::new("POST", "/wert/s3cret", None, &headers);
/// let reply = receiver.receive_whole(&request, Bytes::from_static(br#"{"type":"login","click_id":"42"}"#)).await;
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
    endpoints: Vec<Arc<Endpoint>>,
    client_ip: ClientIp,
    body_limit: usize,
    ack_deadline: Duration,
    retention: Option<Retention>,
    clock: Arc<dyn Clock>,
    watchdog: OnceLock<AbortHandle>,
}

impl Receiver {
    /// Starts a receiver that records into `inbox`.
    pub fn builder(inbox: impl Inbox) -> ReceiverBuilder {
        ReceiverBuilder::new(Arc::new(inbox))
    }

    /// Receives one request whose body comes as a stream of chunks.
    ///
    /// Everything about the head is decided at once; the future reads the body, records it and resolves to the answer, within
    /// the ack deadline. It never panics and never fails: whatever goes wrong is an answer of the table in [`reply`](crate::reply).
    ///
    /// Dropping the future gives the request up; the delivery may or may not have been recorded then, and the sender, who has
    /// no acknowledgement, sends it again.
    pub fn receive<S, E>(&self, request: &Request<'_>, body: S) -> impl Future<Output = Reply> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let begun = Instant::now();
        let admitted = gate::admit(&self.shared.endpoints, &self.shared.client_ip, request);
        let shared = Arc::clone(&self.shared);
        async move {
            shared.watch();
            match admitted {
                Err(refusal) => refusal.reply(shared.clock.now()),
                Ok(admission) => {
                    let span = tracing::debug_span!("receive", endpoint = &*admission.endpoint.name);
                    shared.take(admission, body, begun).instrument(span).await
                }
            }
        }
    }

    /// Receives one request whose body has been read already; otherwise as [`receive`](Self::receive).
    pub fn receive_whole(&self, request: &Request<'_>, body: Bytes) -> impl Future<Output = Reply> + use<> {
        self.receive(request, body::whole(body))
    }

    /// The endpoints' names: each is reached at `/NAME`, with its secret as the next segment of the path.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> + '_ {
        self.shared.endpoints.iter().map(|endpoint| &*endpoint.name)
    }

    /// Whether `path`, below the place where the receiver is mounted, is one of its own: it begins with an endpoint's name. What
    /// lies below any other path is somebody else's to answer.
    #[must_use]
    pub fn serves(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let first = path.split_once('/').map_or(path, |(first, _)| first);
        self.endpoints().any(|name| name == first)
    }

    /// The inbox that this receiver records into.
    #[must_use]
    pub fn inbox(&self) -> &Arc<dyn Inbox> {
        &self.shared.inbox
    }

    /// Starts a worker that takes what this receiver records to `handler`.
    pub fn worker(&self, handler: impl Handler) -> WorkerBuilder {
        WorkerBuilder::new(Arc::clone(&self.shared.inbox), Arc::new(handler))
            .clock(Arc::clone(&self.shared.clock))
            .retention(self.shared.retention)
    }

    /// Starts a worker that takes what this receiver records to `handler`, whose writes are committed together with the completion of
    /// each delivery. `inbox` is the one that the receiver records into, or another one over the same store.
    pub fn transactional_worker<I, H>(&self, inbox: Arc<I>, handler: H) -> WorkerBuilder
    where
        I: TransactionalInbox,
        H: TransactionalHandler<I::Transaction>,
    {
        WorkerBuilder::transactional(inbox, handler).clock(Arc::clone(&self.shared.clock)).retention(self.shared.retention)
    }
}

impl Shared {
    /// Starts the watchdog, as soon as there is a runtime.
    fn watch(self: &Arc<Self>) {
        if self.watchdog.get().is_none()
            && let Some(watchdog) = watchdog::start(self)
            && let Err(second) = self.watchdog.set(watchdog)
        {
            second.abort();
        }
    }

    async fn take<S, E>(&self, admission: Admission, body: S, begun: Instant) -> Reply
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let deadline = begun + self.ack_deadline;
        let endpoint = &*admission.endpoint;
        let read = match body::take(body, self.body_limit, begun + self.ack_deadline.mul_f64(BODY_SHARE)).await {
            Taken::Stopped => return answer(endpoint, "unknown", &Outcome::BodyStopped, begun, self.clock.now()),
            Taken::Whole(body) => {
                let read = read::delivery(&endpoint.name, endpoint.provider, endpoint.retry_horizon, self.clock.now(), body);
                match &admission.encoding {
                    Some(encoding) => read::blame_encoding(read, encoding),
                    None => read,
                }
            }
            Taken::Cut(body) => read::cut(&endpoint.name, endpoint.provider, self.clock.now(), body, self.body_limit),
        };
        let label = read.label;
        let outcome = record::record(&*self.inbox, read, deadline).await;
        answer(endpoint, label, &outcome, begun, self.clock.now())
    }
}

/// Turns the outcome of a request that was let in into its answer, and counts it.
fn answer(endpoint: &Endpoint, label: &'static str, outcome: &Outcome, begun: Instant, now: Timestamp) -> Reply {
    let reply = outcome.reply(endpoint.provider.acknowledgement());
    telemetry::received(&endpoint.name, endpoint.provider.as_str(), label, outcome, &reply);
    telemetry::answered(&endpoint.name, begun.elapsed());
    endpoint.tally.answered(now, Sender::Provider, reply.status(), outcome.is_recorded());
    reply
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(watchdog) = self.watchdog.get() {
            watchdog.abort();
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("endpoints", &self.shared.endpoints)
            .field("inbox", &self.shared.inbox)
            .finish_non_exhaustive()
    }
}

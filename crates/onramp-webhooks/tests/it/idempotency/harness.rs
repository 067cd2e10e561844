//! The middleware before a route that counts its runs.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::Wert;
use onramp_webhooks::adapter::{Claim, Full, Reply, Request, StoredBody};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::idempotency::{Idempotency, IdempotencyBuilder, IdempotencyStore, MemoryIdempotencyStore, Scope};

/// The headers of a request.
pub(super) type Lines<'a> = [(&'a str, &'a str); 2];

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) body: Bytes,
    pub(super) replayed: bool,
}

impl Outcome {
    /// Of a request that ran as the `run`th.
    pub(super) fn first(run: u32) -> Self {
        Self { status: 201, body: format!("run {run}").into(), replayed: false }
    }

    /// The same again.
    pub(super) fn replay(run: u32) -> Self {
        Self { replayed: true, ..Self::first(run) }
    }
}

/// A middleware before a route that counts how often it runs.
#[derive(Clone)]
pub(super) struct Harness {
    pub(super) idempotency: Idempotency,
    pub(super) clock: ManualClock,
    pub(super) runs: Arc<AtomicU32>,
}

impl Harness {
    pub(super) fn new(builder: IdempotencyBuilder) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let idempotency = builder.clock(Arc::new(clock.clone())).build().unwrap();
        Self { idempotency, clock, runs: Arc::default() }
    }

    pub(super) fn by_header() -> Self {
        Self::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()))
    }

    /// Keys from Wert's events.
    pub(super) fn by_event() -> Self {
        Self::new(Idempotency::by_event::<Wert>(MemoryIdempotencyStore::new()))
    }

    pub(super) fn on(store: impl IdempotencyStore) -> Self {
        Self::new(Idempotency::by_header(store, Scope::authorization()).wait(Duration::ZERO))
    }

    /// Posts with a key to a route that answers 201.
    pub(super) async fn post(&self, key: &str, body: impl Into<Bytes>) -> Outcome {
        self.send(&Request::new("POST", "/orders", None, &keyed(key)), body).await
    }

    /// Sends to a route that answers 201 and how often it ran.
    pub(super) async fn send(&self, request: &Request<'_>, body: impl Into<Bytes>) -> Outcome {
        self.send_to(request, body, async |run| (201, Bytes::from(format!("run {run}")))).await
    }

    /// Sends to a route that answers what `route` does.
    pub(super) async fn send_to(
        &self,
        request: &Request<'_>,
        body: impl Into<Bytes>,
        route: impl AsyncFnOnce(u32) -> (u16, Bytes),
    ) -> Outcome {
        let body = body.into();
        let Some(keyed) = self.idempotency.lookup(request) else {
            let (status, body) = route(self.run()).await;
            return Outcome { status, body, replayed: false };
        };
        match keyed.claim(Full::new(body.clone())).await {
            Claim::Answer(reply) => Outcome {
                status: reply.status(),
                body: reply.body().clone(),
                replayed: reply.headers().any(|(name, value)| name == "idempotent-replayed" && value == b"true"),
            },
            Claim::Run(given, guard) => {
                assert_eq!(given, body, "the route gets the body");
                let (status, body) = guard.run(route(self.run())).await;
                let body = match guard.store(status, &[("content-type", "text/plain")], Full::new(body)).await {
                    StoredBody::Whole(body) => body,
                    StoredBody::Untouched(body) => joined(body).await,
                    StoredBody::Rejoined(body) => joined(body).await,
                };
                Outcome { status, body, replayed: false }
            }
        }
    }

    /// Sends a request that must be answered without running, and returns the reply.
    pub(super) async fn claim(&self, request: &Request<'_>, body: &'static str) -> Reply {
        match self.idempotency.lookup(request).unwrap().claim(Full::new(body)).await {
            Claim::Answer(reply) => reply,
            Claim::Run(..) => panic!("it runs"),
        }
    }

    fn run(&self) -> u32 {
        self.runs.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn runs(&self) -> u32 {
        self.runs.load(Ordering::Relaxed)
    }
}

pub(super) fn keyed(key: &str) -> Lines<'_> {
    [("idempotency-key", key), ("authorization", "Bearer ada")]
}

async fn joined<S, E>(body: S) -> Bytes
where
    S: futures_core::Stream<Item = Result<Bytes, E>>,
    E: std::fmt::Debug,
{
    let mut body = std::pin::pin!(body);
    let mut all = Vec::new();
    while let Some(chunk) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        all.extend_from_slice(&chunk.unwrap());
    }
    all.into()
}

/// Runs a future on a task of its own, which a panic or an abort ends.
pub(super) fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

//! Idempotency: running a request only once, on any route. The adapters' `idempotency` middleware uses this module.
//!
//! The first request with a key runs, and the reply of a success is stored: 2xx, and a redirect after a `POST` (301, 302, 303). A later
//! request with the same key gets the stored reply, marked `idempotent-replayed: true`, and does not run. The key is the `Idempotency-Key` header
//! ([`by_header`](Idempotency::by_header), with the semantics of the IETF draft
//! [draft-ietf-httpapi-idempotency-key-header-07](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07)), or
//! the identity of a provider's event ([`by_event`](Idempotency::by_event)).
//!
//! | state of the key | by header | by event |
//! | --- | --- | --- |
//! | new, or released | the route's own reply | the same |
//! | done | the stored reply with `idempotent-replayed: true` | the same |
//! | done, reply not stored because it was too large, a stream, or its client disconnected | 409 | 200 (Wert) or 409 |
//! | still running | waits; then the reply, or 409 with `retry-after` | waits; then the reply, or 503 with `retry-after` |
//! | still running with another body | 422 | waits; then runs if the first one failed, or 503 with `retry-after` |
//! | done with another body | 422 | 200 and an error in the log (Wert), or 422 |
//! | missing or unreadable | 400 | |
//! | in a body over the limit | 413 | 200 and an error in the log (Wert), or 413 |
//! | unknown, because the store is unavailable | 503 with `retry-after` | the same |
//!
//! A key is released if the route returns anything but success, panics, or is dropped because the client disconnected; the next
//! request with the key runs. If the client disconnects while the body of a successful response is being read, the key is kept
//! without a reply, because the route has done its work. If the process is killed, a key becomes free when its lease ends. Leases
//! are renewed while the route runs and its reply is read, and a request that lost its lease cannot store its reply over that of
//! the request that took over.
//!
//! Routes never share a key, because method and path are part of it ([`route`](IdempotencyBuilder::route) names a route instead).
//! By header, the user is part of it too, whom a [`Scope`] identifies: by the `authorization` header, another header, a cookie, or the
//! application's own function.
//!
//! A reply is stored with its body and the headers that mean the same again; [`keep_header`](IdempotencyBuilder::keep_header) adds others.
//! Streams (`text/event-stream`, `application/x-ndjson`, `application/json-seq`, `application/grpc`, `multipart/x-mixed-replace`) and
//! responses that announce a `trailer` reach their client as they come, and are not stored. Trailers that are not announced are lost. Responses
//! of actix-web and warp cannot carry trailers.
//!
//! # Limits
//! If the process crashes between the writes of a route and the end of its reply, the route runs again. The same happens if a
//! framework drops the route because its client disconnected: run work that must not be interrupted, such as a payment, in a
//! separate task. For provider events, the [`Receiver`](crate::Receiver) records before it acknowledges and retries by itself; this
//! middleware does not store failures.
//!
//! ```
//! use onramp_webhooks::adapter::{Full, Request};
//! use onramp_webhooks::idempotency::{Claim, Idempotency, MemoryIdempotencyStore, Scope, StoredBody};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let idempotency = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).build()?;
//!
//! // An adapter does this for every request:
//! let headers = [("idempotency-key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"")];
//! let request = Request::new("POST", "/orders", None, &headers);
//! let keyed = idempotency.lookup(&request).ok_or("POST is covered")?;
//! let Claim::Run(body, guard) = keyed.claim(Full::new("{}")).await else { return Err("the key is new".into()) };
//! let reply = guard.run(async { Full::new(body) }).await;
//! assert!(matches!(guard.store(201, &[("content-type", "application/json")], reply).await, StoredBody::Whole(_)));
//!
//! let again = idempotency.lookup(&request).ok_or("POST is covered")?;
//! let Claim::Answer(reply) = again.claim(Full::new("{}")).await else { return Err("the key is done".into()) };
//! assert_eq!(reply.status(), 201);
//! assert!(reply.headers().any(|(name, value)| (name, value) == ("idempotent-replayed", b"true".as_slice())));
//! # Ok(())
//! # }
//! ```

mod builder;
mod guard;
mod key;
mod keyed;
mod memory;
mod scope;
mod store;
mod stored_body;
mod stored_reply;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use self::builder::{BuildError, IdempotencyBuilder};
pub use self::guard::KeyGuard;
pub use self::key::IdempotencyKey;
pub use self::keyed::{Claim, Keyed};
pub use self::memory::MemoryIdempotencyStore;
pub use self::scope::Scope;
pub use self::store::{ABANDONED_AFTER, IdempotencyStore, KeyLease, KeyState};
pub use self::stored_body::{Rejoined, StoredBody};
use crate::body;
use crate::clock::{Clock, Timestamp};
use crate::log_limit::LogLimit;
use crate::provider::{Acknowledgement, Decoder, Provider};
use crate::reply::Outcome;
use crate::request::Request;

/// Pause between two rounds of pruning.
const PRUNING: Duration = Duration::from_secs(60);

/// Maximum time that a reply waits for the store.
const STORE_TIME: Duration = Duration::from_secs(1);

/// The idempotency middleware, for an adapter to mount. The [module docs](self) have the rules. Cheap to clone; clones share their
/// store.
#[derive(Clone)]
pub struct Idempotency {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn IdempotencyStore>,
    by: By,
    route: Option<String>,
    /// The users by header; `None` by event, where the provider is the only user.
    scope: Option<Scope>,
    lease: Duration,
    wait: Duration,
    keep: Duration,
    body_limit: usize,
    body_time: Duration,
    reply_limit: usize,
    kept_headers: Vec<String>,
    clock: Arc<dyn Clock>,
    /// The time of the last pruning, in milliseconds since 1970.
    pruned_at: AtomicI64,
    not_handled: NotHandled,
}

/// Limits the log of requests that are not handled, for each reason.
#[derive(Default)]
struct NotHandled {
    too_large: LogLimit,
    other_body: LogLimit,
    still_running: LogLimit,
}

/// The source of the keys.
#[derive(Clone, Copy, Debug)]
enum By {
    Header { required: bool },
    Event(Decoder),
}

impl By {
    fn acknowledgement(self) -> Acknowledgement {
        match self {
            Self::Header { .. } => Acknowledgement::Readable,
            Self::Event(decoder) => decoder.facts.acknowledgement,
        }
    }

    fn covers(self, method: &str) -> bool {
        match self {
            Self::Header { .. } => matches!(method, "POST" | "PATCH"),
            Self::Event(_) => method == "POST",
        }
    }

    fn still_running(self) -> Outcome {
        match self {
            Self::Header { .. } => Outcome::StillRunning,
            Self::Event(_) => Outcome::EventStillRunning,
        }
    }

    fn longest_body_time(self) -> Duration {
        match self {
            Self::Header { .. } => Duration::MAX,
            Self::Event(_) => body::DEFAULT_TIME,
        }
    }

    fn retry_horizon(self) -> Duration {
        match self {
            Self::Header { .. } => Duration::ZERO,
            Self::Event(decoder) => decoder.facts.retry_horizon,
        }
    }
}

impl Idempotency {
    /// Returns a builder of a middleware with keys from the `Idempotency-Key` header. Covers `POST` and `PATCH`; other methods pass.
    /// Keys of different users, by `scope`, are different keys.
    pub fn by_header(store: impl IdempotencyStore, scope: Scope) -> IdempotencyBuilder {
        IdempotencyBuilder::new(Arc::new(store), By::Header { required: true }, Some(scope))
    }

    /// Returns a builder of a middleware with keys from events of the provider `P`, by the rules of an [inbox](crate#duplicates).
    /// Covers `POST`. A `test` event always runs. Unreadable bodies have the same key if their bytes are equal.
    ///
    /// No signature is verified, so this middleware is only for providers that do not sign their requests. The bound `Default`
    /// excludes providers with a signing key, which do not implement it.
    pub fn by_event<P: Provider + Default>(store: impl IdempotencyStore) -> IdempotencyBuilder {
        IdempotencyBuilder::new(Arc::new(store), By::Event(Decoder::of::<P>()), None)
    }

    /// Reads the key from the head of a request, whose `path` has to be the whole path. Returns `None` if the middleware does not
    /// cover the request, which then runs without it.
    #[must_use]
    pub fn lookup(&self, request: &Request<'_>) -> Option<Keyed> {
        Keyed::of(&self.shared, request)
    }
}

impl Shared {
    /// Prunes expired keys in the background.
    fn prune(self: &Arc<Self>, now: Timestamp) {
        let last = self.pruned_at.load(Ordering::Relaxed);
        // After a clock that was ahead, the last time is in the future.
        let is_time = now.as_millis() < last || now.since(Timestamp::from_millis(last)) >= PRUNING;
        if !is_time || self.pruned_at.compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            loop {
                match store.prune(now).await {
                    Ok(0) => break,
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) => {
                        tracing::warn!(%error, "expired idempotency keys could not be removed");
                        break;
                    }
                }
            }
        });
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").field("by", &self.by).field("store", &self.store).finish_non_exhaustive()
    }
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

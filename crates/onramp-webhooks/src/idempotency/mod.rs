//! A request handled once, at any route: what the adapters' `idempotency` middleware asks.
//!
//! The first request with a key runs, and when its reply is a success (2xx) that reply is kept. One that comes with the same key
//! later gets the kept reply, marked `idempotent-replayed: true`, and nothing runs. The key is the `Idempotency-Key` header
//! ([by header](Idempotency::by_header), with the meaning of the IETF draft
//! [draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)), or what
//! makes two deliveries of a provider the same event ([by event](Idempotency::by_event)).
//!
//! | a request whose key | gets | a provider that needs 200 always (Wert) |
//! | --- | --- | --- |
//! | is new, or was released | the route's own reply | the same |
//! | is done | the kept reply with `idempotent-replayed: true` | the same |
//! | is done, and the reply was not kept: too large, or its client went away | 409 | 200 |
//! | is still running | waits; then the reply, or 409 with `retry-after` | waits; then the reply, or 200 |
//! | was used for another body | 422 | 200, and an error in the log |
//! | is missing or unreadable, by header | 400 | |
//! | is in a body over the limit | 413 | 200, and an error in the log |
//! | cannot be looked up, because the store is away | 503 with `retry-after` | the same |
//!
//! A key is released when the route answers anything but success, panics, or is dropped because the client went away; the next
//! request with it runs. A client that goes away while the reply to a success is read releases nothing: the work is done, and only
//! the reply is not kept. So does one that comes after the process died, once its lease has ended: leases are renewed while the
//! route runs and its reply is read, and a request that lost its lease cannot store its reply over that of the one that took over.
//!
//! Two routes never share a key, because method and path are part of it ([`route`](IdempotencyBuilder::route) names a route
//! instead), and by header neither do two users, because the `authorization` header is ([`user`](IdempotencyBuilder::user) tells
//! them apart in another way). Users who bring no `authorization` header, because a cookie says who they are, are one user until
//! that is set: who guesses another's key and body gets the other's reply.
//!
//! # What this is not
//! A route that dies between its own writes and the end of its reply runs again, and so does one that a framework drops in the middle
//! because its client went away: what must not be cut short, a payment, belongs in a task of its own, under a key of its own. For
//! provider events there is the
//! [`Receiver`](crate::Receiver), which records before it acknowledges and retries by itself; but for the table above, this
//! middleware acknowledges nothing that was not handled, and it remembers nothing of what failed. While one request runs, Wert's
//! copy of it gets 200 after the wait, and is gone when the first fails afterwards; an error in the log says so.
//!
//! ```
//! use bytes::Bytes;
//! use onramp_webhooks::idempotency::{Begun, Finished, Idempotency, MemoryIdempotencyStore};
//! use onramp_webhooks::Request;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let idempotency = Idempotency::by_header(MemoryIdempotencyStore::new()).build()?;
//!
//! // An adapter does this for every request:
//! let headers = [("idempotency-key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"")];
//! let request = Request::new("POST", "/orders", None, &headers);
//! let asked = idempotency.ask(&request).ok_or("POST is covered")?;
//! let Begun::Run(body, running) = asked.begin_whole(Bytes::from_static(b"{}")).await else { return Err("it is new".into()) };
//! let reply = running.watch(async { body }).await;
//! assert!(matches!(running.finish_whole(201, &[("content-type", "application/json")], reply).await, Finished::Whole(_)));
//!
//! let again = idempotency.ask(&request).ok_or("POST is covered")?;
//! let Begun::Answer(reply) = again.begin_whole(Bytes::from_static(b"{}")).await else { return Err("it is done".into()) };
//! assert_eq!(reply.status(), 201);
//! assert!(reply.headers().any(|(name, value)| (name, value) == ("idempotent-replayed", b"true".as_slice())));
//! # Ok(())
//! # }
//! ```

mod asked;
mod builder;
mod finish;
mod kept;
mod key;
mod memory;
mod running;
mod store;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use self::asked::{Asked, Begun};
pub use self::builder::{BuildError, IdempotencyBuilder};
pub use self::finish::{Finished, Rejoined};
pub use self::key::IdempotencyKey;
pub use self::memory::MemoryIdempotencyStore;
pub use self::running::Running;
pub use self::store::{ABANDONED, Claim, Found, IdempotencyStore};
use crate::clock::{Clock, Timestamp};
use crate::event::{Acknowledgement, Provider};
use crate::request::Request;

/// Between two looks for what has expired.
const PRUNING: Duration = Duration::from_secs(60);

/// How long an answer waits for the store before its client gets it all the same.
const STORE_TIME: Duration = Duration::from_secs(1);

/// Has every request handled once. Cheap to clone; clones share their store. The [module's documentation](self) has the rules.
#[derive(Clone)]
pub struct Idempotency {
    shared: Arc<Shared>,
}

type UserOf = Box<dyn Fn(&Request<'_>) -> Option<String> + Send + Sync>;

struct Shared {
    store: Arc<dyn IdempotencyStore>,
    by: By,
    route: Option<String>,
    user: Option<UserOf>,
    lease: Duration,
    wait: Duration,
    keep: Duration,
    body_limit: usize,
    reply_limit: usize,
    kept_headers: Vec<String>,
    clock: Arc<dyn Clock>,
    /// When the store was last rid of what has expired, in milliseconds since 1970.
    pruned_at: AtomicI64,
}

/// What a key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Header { required: bool },
    Event(Provider),
}

impl By {
    fn acknowledgement(self) -> Acknowledgement {
        match self {
            Self::Header { .. } => Acknowledgement::Readable,
            Self::Event(provider) => provider.acknowledgement(),
        }
    }

    fn covers(self, method: &str) -> bool {
        match self {
            Self::Header { .. } => matches!(method, "POST" | "PATCH"),
            Self::Event(_) => method == "POST",
        }
    }
}

impl Idempotency {
    /// Requests are the same when their `Idempotency-Key` header is. Covers `POST` and `PATCH`; other methods pass untouched.
    pub fn by_header(store: impl IdempotencyStore) -> IdempotencyBuilder {
        IdempotencyBuilder::new(Arc::new(store), By::Header { required: true })
    }

    /// Requests are the same when they bring the same event of `provider`, by the same rules as in an
    /// [inbox](crate#what-is-a-duplicate). Covers `POST`. A `test` event always runs; a body that cannot be read is the same as
    /// another with the same bytes.
    pub fn by_event(store: impl IdempotencyStore, provider: Provider) -> IdempotencyBuilder {
        IdempotencyBuilder::new(Arc::new(store), By::Event(provider))
    }

    /// Looks at the head of a request, whose `path` is the whole path. `None`: it is not covered, and passes untouched.
    #[must_use]
    pub fn ask(&self, request: &Request<'_>) -> Option<Asked> {
        Asked::of(&self.shared, request)
    }
}

impl Shared {
    /// Rids the store of what has expired, beside the request, when that was not done for a while.
    fn prune(self: &Arc<Self>, now: Timestamp) {
        let last = self.pruned_at.load(Ordering::Relaxed);
        let is_time = now.since(Timestamp::from_millis(last)) >= PRUNING;
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

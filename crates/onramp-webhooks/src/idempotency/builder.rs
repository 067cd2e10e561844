//! Putting the middleware together, and refusing what cannot keep its promises.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use super::{By, Idempotency, IdempotencyStore, Shared};
use crate::body;
use crate::clock::{Clock, SystemClock};
use crate::receiver::read::SHORTEST_RETRY_HORIZON;
use crate::request::Request;

/// Leaves time to answer within Wert's five seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Headers of a reply that mean the same when it is sent again.
const KEPT: [&str; 10] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "etag",
    "last-modified",
    "link",
    "location",
    "vary",
];

/// Puts an [`Idempotency`] together.
#[derive(Debug)]
pub struct IdempotencyBuilder(Shared);

impl IdempotencyBuilder {
    pub(super) fn new(store: Arc<dyn IdempotencyStore>, by: By) -> Self {
        let days = match by {
            By::Header { .. } => 1,
            By::Event(_) => 30,
        };
        Self(Shared {
            store,
            by,
            route: None,
            user: None,
            lease: Duration::from_secs(30),
            wait: Duration::from_secs(2),
            keep: Duration::from_secs(days * 24 * 3_600),
            body_limit: body::DEFAULT_LIMIT,
            reply_limit: body::DEFAULT_LIMIT,
            kept_headers: KEPT.map(str::to_owned).to_vec(),
            clock: Arc::new(SystemClock),
            pruned_at: AtomicI64::default(),
        })
    }

    /// Lets requests without an `Idempotency-Key` pass untouched. By default they get 400. By event it means nothing.
    #[must_use]
    pub fn optional(mut self) -> Self {
        if let By::Header { required } = &mut self.0.by {
            *required = false;
        }
        self
    }

    /// Calls the route `name` instead of its method and path. Keys then survive a change of the path, such as a new secret in it;
    /// requests at two routes of one name are the same when their keys are.
    #[must_use]
    pub fn route(mut self, name: impl Into<String>) -> Self {
        self.0.route = Some(name.into());
        self
    }

    /// Tells users apart by what `user` finds in a request, instead of by its `authorization` header: a name that stays when a
    /// token is renewed lets the retry with a new token find its key. By event it means nothing, the provider is the only user.
    #[must_use]
    pub fn user(mut self, user: impl Fn(&Request<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.0.user = Some(Box::new(user));
        self
    }

    /// How long a key is held by a request whose process has died; while it lives it renews its lease. Default 30 s, at least
    /// 1 s.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = lease;
        self
    }

    /// How long a request waits for one with the same key that still runs. Default 2 s, at most 4 s: Wert's documentation
    /// counts an answer after 5 s as none.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.0.wait = wait;
        self
    }

    /// How long a key counts after its request was done. Default: a day by header, 30 days by event, and there at least 15 h 05 min,
    /// the time over which Wert's documentation spreads its retries. Events without an identifier of their own count for 16 h.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.0.keep = keep;
        self
    }

    /// The largest body that is read, in bytes. Default 1 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.0.body_limit = bytes;
        self
    }

    /// The largest body of a reply that is kept, in bytes. Default 1 MiB. A larger one reaches its client, and nobody else.
    #[must_use]
    pub fn reply_limit(mut self, bytes: usize) -> Self {
        self.0.reply_limit = bytes;
        self
    }

    /// Keeps one more header of replies. By default: `cache-control`, `content-disposition`, `content-encoding`, `content-language`,
    /// `content-type`, `etag`, `last-modified`, `link`, `location` and `vary`.
    #[must_use]
    pub fn keep_header(mut self, name: impl Into<String>) -> Self {
        let name = name.into().to_ascii_lowercase();
        // Twice on the list, a header would be sent twice.
        if !self.0.kept_headers.contains(&name) {
            self.0.kept_headers.push(name);
        }
        self
    }

    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// The middleware, for an adapter to mount.
    ///
    /// # Errors
    /// Says what could not keep the promises: see [`BuildError`].
    pub fn build(mut self) -> Result<Idempotency, BuildError> {
        if self.0.lease < Duration::from_secs(1) {
            return Err(BuildError::Lease(self.0.lease));
        }
        if self.0.wait > LONGEST_WAIT {
            return Err(BuildError::Wait(self.0.wait));
        }
        if self.0.keep.is_zero() || (matches!(self.0.by, By::Event(_)) && self.0.keep < SHORTEST_RETRY_HORIZON) {
            return Err(BuildError::Keep(self.0.keep));
        }
        if self.0.body_limit == 0 {
            return Err(BuildError::BodyLimit);
        }
        if let Some(header) = self.0.kept_headers.iter().find(|name| is_for_one_client(name)) {
            return Err(BuildError::Header(header.clone()));
        }
        self.0.pruned_at = AtomicI64::new(self.0.clock.now().as_millis());
        Ok(Idempotency { shared: Arc::new(self.0) })
    }
}

/// Whether a header belongs to one client, or to one connection.
fn is_for_one_client(name: &str) -> bool {
    matches!(
        name,
        "set-cookie"
            | "connection"
            | "content-length"
            | "date"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Why the middleware cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A lease that ends before it can be renewed.
    #[error("the lease is {0:?}; it has to be at least 1 s")]
    Lease(Duration),
    /// A wait that Wert would not wait for.
    #[error("the wait is {0:?}; it has to be at most {LONGEST_WAIT:?}")]
    Wait(Duration),
    /// Keys that end before a retry.
    #[error("keys would be kept for {0:?}; it has to be more than zero, and {SHORTEST_RETRY_HORIZON:?} for provider events")]
    Keep(Duration),
    /// A body limit of zero.
    #[error("the body limit is zero bytes")]
    BodyLimit,
    /// A header that must not be sent to another client, or on another connection.
    #[error("the header {0} cannot be kept: it belongs to one client or one connection")]
    Header(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Provider;
    use crate::idempotency::MemoryIdempotencyStore;

    fn by_header() -> IdempotencyBuilder {
        Idempotency::by_header(MemoryIdempotencyStore::new())
    }

    #[test]
    fn what_cannot_keep_the_promises_is_refused() {
        let short = Duration::from_millis(999);
        assert_eq!(by_header().lease(short).build().unwrap_err(), BuildError::Lease(short));
        let late = Duration::from_secs(5);
        assert_eq!(by_header().wait(late).build().unwrap_err(), BuildError::Wait(late));
        assert_eq!(by_header().keep(Duration::ZERO).build().unwrap_err(), BuildError::Keep(Duration::ZERO));
        assert_eq!(by_header().body_limit(0).build().unwrap_err(), BuildError::BodyLimit);
        let header = by_header().keep_header("Set-Cookie").build().unwrap_err();
        assert_eq!(header, BuildError::Header("set-cookie".into()));
        let day = Duration::from_secs(15 * 3_600);
        let by_event = || Idempotency::by_event(MemoryIdempotencyStore::new(), Provider::Wert);
        assert_eq!(by_event().keep(day).build().unwrap_err(), BuildError::Keep(day));
        assert!(by_event().build().is_ok() && by_header().keep(day).keep_header("x-request-id").build().is_ok());
    }
}

//! The builder of the middleware. It refuses settings that cannot keep the guarantees.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use super::{By, Idempotency, IdempotencyStore, NotHandled, Scope, Shared};
use crate::body;
use crate::clock::{Clock, SystemClock};

/// Maximum wait for a running request. It leaves time to reply within Wert's timeout of five seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Headers that are stored with a reply by default.
const KEPT: &[&str] = &[
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "cache-control",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "deprecation",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "preference-applied",
    "repr-digest",
    "retry-after",
    "sunset",
    "vary",
    "x-content-type-options",
];

/// Builder of an [`Idempotency`].
#[derive(Debug)]
pub struct IdempotencyBuilder(Shared);

impl IdempotencyBuilder {
    pub(super) fn new(store: Arc<dyn IdempotencyStore>, by: By, scope: Option<Scope>) -> Self {
        let days = match by {
            By::Header { .. } => 1,
            By::Event(_) => 30,
        };
        Self(Shared {
            store,
            by,
            route: None,
            scope,
            lease: Duration::from_secs(30),
            wait: Duration::from_secs(2),
            keep: Duration::from_secs(days * 24 * 3_600),
            body_limit: body::DEFAULT_LIMIT,
            body_time: body::DEFAULT_TIME,
            reply_limit: body::DEFAULT_LIMIT,
            kept_headers: KEPT.iter().map(|name| (*name).to_owned()).collect(),
            clock: Arc::new(SystemClock),
            pruned_at: AtomicI64::default(),
            not_handled: NotHandled::default(),
        })
    }

    /// Lets requests without an `Idempotency-Key` pass. By default they get 400. Has no effect with keys
    /// [`by_event`](Idempotency::by_event).
    #[must_use]
    pub fn optional(mut self) -> Self {
        if let By::Header { required } = &mut self.0.by {
            *required = false;
        }
        self
    }

    /// Identifies the route by `name` instead of its method and path. Keys then stay valid when the path changes, for example
    /// because of a new secret, and routes with the same name share keys.
    #[must_use]
    pub fn route(mut self, name: impl Into<String>) -> Self {
        self.0.route = Some(name.into());
        self
    }

    /// Sets the duration of the lease on a key. A running request renews its lease; if its process is killed, the key is free when
    /// the lease ends. Default 30 s, at least 1 s.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = lease;
        self
    }

    /// Sets how long a request waits for a running one with the same key. Default 2 s, at most 4 s, because Wert waits 5 s for a
    /// reply.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.0.wait = wait;
        self
    }

    /// Sets how long a key is kept after its request has completed. Default: a day by header, 30 days by event. By event it must be
    /// at least the provider's retry horizon. Keys of events without an id of their own are kept for the retry horizon only.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.0.keep = keep;
        self
    }

    /// Sets the limit of a request body, in bytes. Default 1 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.0.body_limit = bytes;
        self
    }

    /// Sets the time limit for receiving a request body. Default 3 s. By event it must be at most 3 s, because Wert waits 5 s for a reply.
    #[must_use]
    pub fn body_time(mut self, time: Duration) -> Self {
        self.0.body_time = time;
        self
    }

    /// Sets the limit of a stored reply body, in bytes. Default 1 MiB. A larger reply is sent to its client and not stored.
    #[must_use]
    pub fn reply_limit(mut self, bytes: usize) -> Self {
        self.0.reply_limit = bytes;
        self
    }

    /// Stores the header `name` with replies, in addition to the default headers: those of CORS (`access-control-..`), `accept-ranges`,
    /// `cache-control`, `content-digest`, `content-disposition`, `content-encoding`, `content-language`, `content-location`,
    /// `content-range`, `content-security-policy`, `content-type`, `cross-origin-resource-policy`, `deprecation`, `etag`, `expires`,
    /// `last-modified`, `link`, `location`, `preference-applied`, `repr-digest`, `retry-after`, `sunset`, `vary` and
    /// `x-content-type-options`.
    #[must_use]
    pub fn keep_header(mut self, name: impl Into<String>) -> Self {
        let name = name.into().to_ascii_lowercase();
        // A header that is on the list twice would be sent twice.
        if !self.0.kept_headers.contains(&name) {
            self.0.kept_headers.push(name);
        }
        self
    }

    /// Sets the clock. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// Builds the middleware, for an adapter to mount.
    ///
    /// # Errors
    /// Returns an error if a setting cannot keep the guarantees: see [`BuildError`].
    pub fn build(mut self) -> Result<Idempotency, BuildError> {
        if self.0.lease < Duration::from_secs(1) {
            return Err(BuildError::Lease(self.0.lease));
        }
        if self.0.wait > LONGEST_WAIT {
            return Err(BuildError::Wait(self.0.wait));
        }
        let shortest = self.0.by.retry_horizon();
        if self.0.keep.is_zero() || self.0.keep < shortest {
            return Err(BuildError::Keep { keep: self.0.keep, shortest });
        }
        let longest = self.0.by.longest_body_time();
        if self.0.body_time.is_zero() || self.0.body_time > longest {
            return Err(BuildError::BodyTime { time: self.0.body_time, longest });
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

/// Returns whether a header belongs to one client or one connection.
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

/// Error returned when building the middleware.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The lease would end before it can be renewed.
    #[error("the lease is {0:?}; it must be at least 1 s")]
    Lease(Duration),
    /// The wait is longer than the maximum.
    #[error("the wait is {0:?}; it must be at most {LONGEST_WAIT:?}")]
    Wait(Duration),
    /// Keys would expire before a retry.
    #[error("keys would be kept for {keep:?}; it must be more than zero and at least {shortest:?}")]
    Keep {
        /// The time that was set.
        keep: Duration,
        /// The retry horizon of the provider, or zero by header.
        shortest: Duration,
    },
    /// No body could be received in time, or Wert would not wait for the reply.
    #[error("the time for a body is {time:?}; it must be more than zero and at most {longest:?}")]
    BodyTime {
        /// The time that was set.
        time: Duration,
        /// The longest time.
        longest: Duration,
    },
    /// The body limit is zero.
    #[error("the body limit is zero bytes")]
    BodyLimit,
    /// The header must not be stored, because it belongs to one client or one connection.
    #[error("the header {0} cannot be stored: it belongs to one client or one connection")]
    Header(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wert;
    use crate::idempotency::MemoryIdempotencyStore;

    fn by_header() -> IdempotencyBuilder {
        Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone())
    }

    #[test]
    fn settings_that_cannot_keep_the_guarantees_are_refused() {
        let short = Duration::from_millis(999);
        assert_eq!(by_header().lease(short).build().unwrap_err(), BuildError::Lease(short));
        let late = Duration::from_secs(5);
        assert_eq!(by_header().wait(late).build().unwrap_err(), BuildError::Wait(late));
        assert_eq!(
            by_header().keep(Duration::ZERO).build().unwrap_err(),
            BuildError::Keep { keep: Duration::ZERO, shortest: Duration::ZERO }
        );
        let (none, long) = (Duration::ZERO, Duration::from_secs(60));
        let by_event = || Idempotency::by_event::<Wert>(MemoryIdempotencyStore::new());
        assert!(matches!(by_header().body_time(none).build().unwrap_err(), BuildError::BodyTime { .. }));
        let longest = Duration::from_secs(3);
        assert_eq!(by_event().body_time(long).build().unwrap_err(), BuildError::BodyTime { time: long, longest });
        assert!(by_header().body_time(long).build().is_ok());
        assert_eq!(by_header().body_limit(0).build().unwrap_err(), BuildError::BodyLimit);
        let header = by_header().keep_header("Set-Cookie").build().unwrap_err();
        assert_eq!(header, BuildError::Header("set-cookie".into()));
        let day = Duration::from_secs(15 * 3_600);
        assert_eq!(by_event().keep(day).build().unwrap_err(), BuildError::Keep { keep: day, shortest: 16 * day / 15 });
        assert!(by_event().build().is_ok() && by_header().keep(day).keep_header("x-request-id").build().is_ok());
    }
}

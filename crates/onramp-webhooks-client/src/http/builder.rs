//! The builder of an API client.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::worker::RetryPolicy;

use super::Connection;
use crate::error::ClientError;
use crate::secret::Secret;

/// A builder of a [`KriptomatApi`](crate::KriptomatApi) or a [`WertDataApi`](crate::WertDataApi).
///
/// The defaults suit a backend whose user waits for the response.
///
/// ```no_run
/// use std::time::Duration;
///
/// use onramp_webhooks_client::WertDataApi;
///
/// let key = std::env::var("WERT_API_KEY")?;
/// let wert = WertDataApi::production(key)
///     .attempt_timeout(Duration::from_secs(5))
///     .deadline(Duration::from_secs(12))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ApiBuilder<A> {
    pub(super) base: String,
    pub(super) secret: Secret,
    pub(super) limits: Limits,
    api: PhantomData<fn() -> A>,
}

#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) connect_timeout: Duration,
    pub(super) attempt_timeout: Duration,
    pub(super) deadline: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) max_response_size: usize,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            retry: RetryPolicy::new(4, Duration::from_millis(250), Duration::from_secs(4)),
            max_response_size: 1 << 20,
            clock: Arc::new(SystemClock::default()),
        }
    }
}

/// A client that is built on a [`Connection`]. Sealed: only this crate implements it.
pub trait FromConnection: Sized {
    #[doc(hidden)]
    fn from_connection(connection: Connection) -> Result<Self, ClientError>;
}

impl<A: FromConnection> ApiBuilder<A> {
    pub(crate) fn new(base: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { base: base.into(), secret: secret.into().into(), limits: Limits::default(), api: PhantomData }
    }

    /// Sets the timeout for making a connection. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = timeout;
        self
    }

    /// Sets the timeout of one attempt, from connecting to the last byte of the response. Default: 10 s.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.limits.attempt_timeout = timeout;
        self
    }

    /// Sets the total time limit of a request, with all its attempts and the pauses between them. A pause that would exceed it is
    /// not started. Default: 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline;
        self
    }

    /// Sets the retry policy. A provider's `retry-after` is added to the pause. Default: 4 attempts, with pauses of up to 250 ms,
    /// 500 ms and 1 s.
    ///
    /// Idempotent requests are retried after every transient error, others only if no connection was made.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.limits.retry = policy;
        self
    }

    /// Sets the largest response body that is read, in bytes. Default: 1 MiB.
    #[must_use]
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.limits.max_response_size = bytes;
        self
    }

    /// Sets the clock for pauses and for a `retry-after` that is a date. Default: the system clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.limits.clock = clock;
        self
    }

    /// Builds the client. Makes no connection yet.
    ///
    /// # Errors
    /// Returns [`Invalid`](crate::ClientErrorKind::Invalid) if the base URL is not `https` or contains credentials, a query or a
    /// fragment, if the key or token is empty or cannot be sent, or if the system's certificates cannot be read.
    pub fn build(self) -> Result<A, ClientError> {
        A::from_connection(Connection::new(self.base, self.secret, self.limits)?)
    }
}

impl<A> fmt::Debug for ApiBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiBuilder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

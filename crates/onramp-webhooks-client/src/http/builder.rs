//! Putting an API client together.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::worker::RetryPolicy;

use super::Connection;
use crate::error::ClientError;
use crate::secret::Secret;

/// Puts an API client together. The defaults suit a backend that asks while somebody waits.
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
    pub(super) largest_answer: usize,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            retry: RetryPolicy::new(4, Duration::from_millis(250), Duration::from_secs(4)),
            largest_answer: 1 << 20,
            clock: Arc::new(SystemClock::default()),
        }
    }
}

/// Implemented by this crate's APIs, and by nothing else.
pub trait FromConnection: Sized {
    #[doc(hidden)]
    fn from_connection(connection: Connection) -> Result<Self, ClientError>;
}

impl<A: FromConnection> ApiBuilder<A> {
    pub(crate) fn new(base: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { base: base.into(), secret: secret.into().into(), limits: Limits::default(), api: PhantomData }
    }

    /// How long a connection may take to be made. Default 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limits.connect_timeout = limit;
        self
    }

    /// How long one attempt may take, from connecting to the last byte of the answer. Default 10 s.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.limits.attempt_timeout = limit;
        self
    }

    /// How long a request may take with all its attempts and the pauses between them. A pause that does not fit is not begun.
    /// Default 30 s.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.limits.deadline = limit;
        self
    }

    /// How often and when a failing request is tried again. A provider's `retry-after` is added to the pause. Default: 4 attempts,
    /// with pauses up to 250 ms, 500 ms and 1 s.
    ///
    /// Only what changes nothing is tried again; what starts something, only if no connection was made.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.limits.retry = policy;
        self
    }

    /// The longest answer that is read, in bytes. Default 1 MiB.
    #[must_use]
    pub fn largest_answer(mut self, bytes: usize) -> Self {
        self.limits.largest_answer = bytes;
        self
    }

    /// Where the time for pauses and for a `retry-after` that is a date comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.limits.clock = clock;
        self
    }

    /// The client. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Invalid`](crate::ClientErrorKind::Invalid): the base address is not `https`, or holds more than an address; the key or
    /// token is empty or cannot be sent; the machine's certificates cannot be read.
    pub fn build(self) -> Result<A, ClientError> {
        A::from_connection(Connection::new(self.base, self.secret, self.limits)?)
    }
}

impl<A> fmt::Debug for ApiBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiBuilder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

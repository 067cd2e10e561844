//! Putting a worker together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::checks::Checks;
use super::chore::{self, Chore, Scheduled};
use super::handling::{Handling, Plain};
use super::run::Run;
use super::transactional::Transactional;
use super::{RetryPolicy, Worker};
use crate::clock::{Clock, SystemClock};
use crate::handler::{Handler, TransactionalHandler};
use crate::inbox::{Inbox, Retention, TransactionalInbox};

/// Puts a [`Worker`] together. The defaults suit a handler that writes to a database.
#[derive(Clone)]
pub struct WorkerBuilder {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) handling: Arc<dyn Handling>,
    pub(super) checks: Checks,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retry: RetryPolicy,
    pub(super) concurrency: usize,
    pub(super) batch: usize,
    pub(super) lease: Duration,
    pub(super) attempt_timeout: Duration,
    pub(super) poll: Duration,
    pub(super) grace: Duration,
    pub(super) retention: Option<Retention>,
    pub(super) chores: Vec<Scheduled>,
}

impl WorkerBuilder {
    /// A worker from `inbox` to `handler`, for a process that handles without receiving.
    #[must_use]
    pub fn new(inbox: Arc<dyn Inbox>, handler: Arc<dyn Handler>) -> Self {
        Self::with(inbox, Arc::new(Plain(handler)))
    }

    /// A worker from `inbox` to `handler`, whose writes are committed together with the completion of each delivery; for a process that
    /// handles without receiving.
    #[must_use]
    pub fn transactional<I, H>(inbox: Arc<I>, handler: H) -> Self
    where
        I: TransactionalInbox,
        H: TransactionalHandler<I::Transaction>,
    {
        let handling = Transactional { inbox: Arc::clone(&inbox), handler };
        Self::with(inbox, Arc::new(handling))
    }

    fn with(inbox: Arc<dyn Inbox>, handling: Arc<dyn Handling>) -> Self {
        Self {
            inbox,
            handling,
            checks: Checks::default(),
            clock: Arc::new(SystemClock),
            retry: RetryPolicy::default(),
            concurrency: 16,
            batch: 128,
            lease: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(8),
            retention: None,
            chores: Vec::new(),
        }
    }

    /// Asks `check` before the handler, at every attempt: `Ok` lets the event pass, and an error decides what becomes of it, as the
    /// handler's own would. Several are asked in the order in which they were added, up to the first that says no.
    ///
    /// A [`TransactionalHandler`]'s transaction is opened only after all of them, so a check may ask a provider. A check that passed may be
    /// asked again about the same event, when the handler fails or a crash comes between.
    #[must_use]
    pub fn before(mut self, check: impl Handler) -> Self {
        self.checks.add(check);
        self
    }

    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How often and when a failing event is tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How many handlers run at the same time, at least 1. Default 16.
    #[must_use]
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.max(1);
        self
    }

    /// How many deliveries are claimed at once, at least 1, so that a busy worker pays for few commits. Default 128.
    #[must_use]
    pub fn batch(mut self, deliveries: usize) -> Self {
        self.batch = deliveries.max(1);
        self
    }

    /// How long a claim lasts, at least one second; it is renewed while the worker lives. A worker that died holds its deliveries
    /// this long. Default 30 s.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// How long one call of the handler may take before it counts as failed; with a transaction, together with its commit. The checks
    /// [before](Self::before) it have as long again, all of them together. Default 30 s.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How often to look for what other processes recorded, at least a millisecond. What this process records is taken at once.
    /// Default 1 s.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every.max(Duration::from_millis(1));
        self
    }

    /// How long a shutdown waits for running handlers. Default 8 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Does `chore` by the clock, beside handling: for the first time soon after the start, and then with pauses of `every`, which is at
    /// least a second. It never runs twice at the same time in this worker; workers of other processes do theirs.
    ///
    /// ```
    /// use std::error::Error;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use onramp_webhooks::inbox::{Inbox, MemoryInbox, State};
    /// use onramp_webhooks::worker::{Chore, WorkerBuilder};
    /// use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError};
    ///
    /// # struct Shop;
    /// # #[async_trait]
    /// # impl Handler for Shop {
    /// #     async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> { Ok(()) }
    /// # }
    /// struct Watch(Arc<dyn Inbox>);
    ///
    /// #[async_trait]
    /// impl Chore for Watch {
    ///     fn name(&self) -> &str {
    ///         "watching for dead letters"
    ///     }
    ///
    ///     async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
    ///         match self.0.counts().await?.of(State::Dead) {
    ///             0 => Ok(()),
    ///             dead => Err(format!("{dead} dead letters").into()),
    ///         }
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let inbox: Arc<dyn Inbox> = Arc::new(MemoryInbox::new());
    /// let worker = WorkerBuilder::new(Arc::clone(&inbox), Arc::new(Shop)).chore(Duration::from_secs(60), Watch(inbox)).spawn();
    /// worker.shutdown().await;
    /// # }
    /// ```
    #[must_use]
    pub fn chore(mut self, every: Duration, chore: impl Chore) -> Self {
        self.chores.push(Scheduled { every: every.max(Duration::from_secs(1)), chore: Arc::new(chore) });
        self
    }

    pub(crate) fn retention(mut self, retention: Option<Retention>) -> Self {
        self.retention = retention;
        self
    }

    /// Starts the worker.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use = "dropping the worker leaves it running, but then nothing can end it in good order"]
    pub fn spawn(self) -> Worker {
        let (stop, stopped) = watch::channel(false);
        let mut chores = chore::begin(&self, &stopped);
        let run = Run::new(Arc::new(self), stopped).run();
        let task = tokio::spawn(async move {
            run.await;
            while chores.join_next().await.is_some() {}
        });
        Worker { stop, task }
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("inbox", &self.inbox)
            .field("retry", &self.retry)
            .field("concurrency", &self.concurrency)
            .field("batch", &self.batch)
            .field("lease", &self.lease)
            .field("attempt_timeout", &self.attempt_timeout)
            .finish_non_exhaustive()
    }
}

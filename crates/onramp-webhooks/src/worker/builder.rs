//! The builder of workers.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::checks::Checks;
use super::handling::{Handling, Plain};
use super::periodic_task::{self, PeriodicTask, Scheduled};
use super::reread::RereadPurchases;
use super::run::Run;
use super::store_traffic::StoreTraffic;
use super::transactional::Transactional;
use super::{Handler, PruneInbox, RetryPolicy, TransactionalHandler, Worker, Workers, idle};
use crate::clock::{Clock, SystemClock};
use crate::event::Currency;
use crate::inbox::{Inbox, Retention, TransactionalInbox};
use crate::provider::{Endpoint, Provider, Providers};
use crate::traffic::{Meters, STORE_EVERY};

/// Pause between two runs of [`PruneInbox`].
const BETWEEN_PRUNES: Duration = Duration::from_secs(600);

/// Pause between two attempts to read purchases in quarantine. Only another version can read more, so the first attempt counts.
const BETWEEN_REREADS: Duration = Duration::from_secs(24 * 3_600);

/// Builder of a [`Worker`]. The defaults suit a handler that writes to a database.
#[derive(Clone)]
pub struct WorkerBuilder {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) handling: Arc<dyn Handling>,
    pub(super) checks: Checks,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) retry: RetryPolicy,
    pub(super) concurrency: usize,
    pub(super) check_concurrency: usize,
    pub(super) batch: usize,
    pub(super) lease: Duration,
    pub(super) attempt_timeout: Duration,
    pub(super) longest_park: Duration,
    pub(super) poll: Duration,
    pub(super) grace: Duration,
    pub(super) retention: Option<Retention>,
    pub(super) periodic_tasks: Vec<Scheduled>,
    pub(super) providers: Providers,
    /// The fiat currencies of each endpoint.
    pub(super) fiat_currencies: HashMap<Arc<str>, Arc<[Currency]>>,
    /// The workers of the same receiver, for its health.
    pub(super) workers: Workers,
    /// The meters of the same receiver.
    pub(super) meters: Meters,
}

impl WorkerBuilder {
    /// Creates a builder of a worker that calls `handler` for the deliveries in `inbox`, for a process without a receiver.
    #[must_use]
    pub fn new(inbox: Arc<dyn Inbox>, handler: Arc<dyn Handler>) -> Self {
        Self::with(inbox, Arc::new(Plain(handler)))
    }

    /// Creates a builder of a worker whose handler writes in the transaction that completes each delivery, for a process without a
    /// receiver.
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
            check_concurrency: 64,
            batch: 128,
            lease: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(30),
            longest_park: Duration::from_secs(7 * 24 * 3_600),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(8),
            retention: Some(Retention::default()),
            periodic_tasks: Vec::new(),
            providers: Providers::default(),
            fiat_currencies: HashMap::new(),
            workers: Workers::default(),
            meters: Meters::default(),
        }
    }

    /// Adds a check that runs before the handler, at every attempt. `Ok` lets the event pass; an error has the same effect as an error of
    /// the handler. Checks run in the order in which they were added, up to the first error.
    ///
    /// The transaction of a [`TransactionalHandler`] is opened after all checks, so a check may call a provider's API. A check can run
    /// again for the same event if the handler fails or the process crashes.
    #[must_use]
    pub fn before(mut self, check: impl Handler) -> Self {
        self.checks.add(check);
        self
    }

    /// Sets the clock. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how many handlers run at the same time, at least 1. Default 16.
    #[must_use]
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.max(1);
        self
    }

    /// Sets how many deliveries of one endpoint are in the checks [before](Self::before) the handler at the same time, at least 1.
    /// Checks use none of the [concurrency](Self::concurrency) of handlers, and a slow check of one endpoint holds up no other
    /// endpoint. Default 64.
    #[must_use]
    pub fn check_concurrency(mut self, deliveries: usize) -> Self {
        self.check_concurrency = deliveries.max(1);
        self
    }

    /// Sets how many deliveries are claimed at once, at least 1. A larger batch needs fewer commits. Default 128.
    #[must_use]
    pub fn batch(mut self, deliveries: usize) -> Self {
        self.batch = deliveries.max(1);
        self
    }

    /// Sets the duration of leases, at least one second. They are renewed while the worker runs. After this time, other workers
    /// take over the deliveries of a process that was killed. Default 30 s.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// Sets the time limit of one call of the handler, including the commit of its transaction. All checks [before](Self::before)
    /// it together have a separate limit of the same length. Default 30 s.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets how long after its arrival a delivery may be parked with [`HandlerError::not_yet`](crate::HandlerError::not_yet). After
    /// that, it becomes a dead letter instead. Default 7 days.
    #[must_use]
    pub fn longest_park(mut self, longest: Duration) -> Self {
        self.longest_park = longest;
        self
    }

    /// Sets the interval at which the worker polls for deliveries that other processes recorded, at least a millisecond. Deliveries
    /// that this process recorded are claimed at once. Default 1 s.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every.max(Duration::from_millis(1));
        self
    }

    /// Sets how long a shutdown waits for running handlers. Default 8 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how long deliveries are kept that wait no more; `None` keeps them for ever. Default: see [`Retention`].
    #[must_use]
    pub fn retention(mut self, retention: Option<Retention>) -> Self {
        self.retention = retention;
        self
    }

    /// Adds a task that runs periodically: soon after the start, and then with pauses of `every`, at least a second. Runs of the
    /// task never overlap in this worker; workers of other processes run it independently.
    ///
    /// ```
    /// use std::error::Error;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use onramp_webhooks::inbox::{Inbox, MemoryInbox, State};
    /// use onramp_webhooks::worker::{PeriodicTask, WorkerBuilder};
    /// use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError};
    ///
    /// # struct Shop;
    /// # #[async_trait]
    /// # impl Handler for Shop {
    /// #     async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> { Ok(()) }
    /// # }
    /// struct DeadLetters(Arc<dyn Inbox>);
    ///
    /// #[async_trait]
    /// impl PeriodicTask for DeadLetters {
    ///     fn name(&self) -> &str {
    ///         "dead letters"
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
    /// let builder = WorkerBuilder::new(Arc::clone(&inbox), Arc::new(Shop));
    /// let worker = builder.periodic_task(Duration::from_secs(60), DeadLetters(inbox)).spawn();
    /// worker.shutdown().await;
    /// # }
    /// ```
    #[must_use]
    pub fn periodic_task(mut self, every: Duration, task: impl PeriodicTask) -> Self {
        self.periodic_tasks.push(Scheduled { every: every.max(Duration::from_secs(1)), task: Arc::new(task) });
        self
    }

    /// Adds a custom provider whose deliveries another process receives. The worker of a receiver already knows the receiver's
    /// providers.
    #[must_use]
    pub fn provider<P: Provider>(mut self) -> Self {
        self.providers = self.providers.with::<P>();
        self
    }

    /// States that customers pay in this currency at the endpoint called `endpoint`, which another process receives from; see
    /// [`Endpoint::fiat_currency`]. The worker of a receiver already knows the statements of the receiver's endpoints.
    #[must_use]
    pub fn fiat_currency(mut self, endpoint: impl Into<Arc<str>>, code: impl Into<Currency>) -> Self {
        let stated = self.fiat_currencies.entry(endpoint.into()).or_default();
        *stated = stated.iter().cloned().chain([code.into()]).collect();
        self
    }

    pub(crate) fn endpoint(mut self, endpoint: &Endpoint) -> Self {
        for code in &endpoint.fiat_currencies {
            self = self.fiat_currency(Arc::clone(&endpoint.name), code.clone());
        }
        self
    }

    pub(crate) fn providers(mut self, providers: Providers) -> Self {
        self.providers = providers;
        self
    }

    pub(crate) fn workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    pub(crate) fn meters(mut self, meters: Meters) -> Self {
        self.meters = meters;
        self
    }

    /// Starts the worker.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use = "a dropped worker keeps running and cannot be shut down"]
    pub fn spawn(mut self) -> Worker {
        if let Some(retention) = self.retention {
            let prune = PruneInbox::new(Arc::clone(&self.inbox), retention).clock(Arc::clone(&self.clock));
            self = self.periodic_task(BETWEEN_PRUNES, prune);
        }
        let reread =
            RereadPurchases { inbox: Arc::clone(&self.inbox), providers: self.providers.clone(), clock: Arc::clone(&self.clock) };
        self = self.periodic_task(BETWEEN_REREADS, reread);
        let traffic =
            StoreTraffic { inbox: Arc::clone(&self.inbox), meters: self.meters.clone(), clock: Arc::clone(&self.clock) };
        self = self.periodic_task(STORE_EVERY, traffic.clone());
        let (stop, stopped) = watch::channel(false);
        let (requests, reports) = idle::channel();
        let mut periodic_tasks = periodic_task::start(&self, &stopped);
        let run = Run::new(Arc::new(self), stopped, reports).run();
        let task = tokio::spawn(async move {
            run.await;
            while periodic_tasks.join_next().await.is_some() {}
            traffic.store_the_rest().await;
        });
        Worker { stop, idle: requests, task }
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

//! The configuration of a reconciliation.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::worker::PeriodicTask;
use onramp_webhooks::{Inbox, async_trait};

use super::slice::Slice;
use super::{Checkpoint, Phase, Position, ReconcileRun, Summary, WertDataApi, Window, periodic};

/// Compares Wert's orders with the deliveries at an endpoint, and records missing ones. Cheap to clone.
///
/// | [finding](super::Finding) | meaning |
/// | --- | --- |
/// | missing | The order is complete at Wert, but its `order_complete` was never received. |
/// | status differs | The `order_complete` was received, but the order has another status at Wert. |
/// | unclear | The order's status at Wert is missing or unknown to this crate. |
/// | unknown to Wert | The `order_complete` was received, but Wert does not know the order. |
///
/// Only missing orders can be repaired. An operator has to look at all other findings.
///
/// A repair records a [synthetic](onramp_webhooks::Delivery::is_synthetic) delivery that is built from the Data API's response. It has the
/// dedup key of the real event, so the real event is a duplicate if it arrives later, and any number of machines can repair at the same
/// time. Its amounts are as exact as those of the API, which are floats, and fields that the API does not return are missing, such as the
/// address and the transaction.
///
/// An order whose event was refused by a check is repaired once as well, beside the refused event, which then cannot be
/// [replayed](onramp_webhooks::inbox::replay) any more. In three cases an order is not repaired, and
/// an operator has to look at it:
///
/// - The order is older than the inbox, so that another inbox may have received it: the shop was moved to another database, or has lost
///   its own. [`repair_since`](Self::repair_since) includes such orders. An inbox begins with its oldest delivery at the endpoint, or when
///   the reconciler is created. The beginning is stored in the inbox at the first repair.
/// - The endpoint received an `order_complete` event without an order id, as in older payloads, which may be that of the order.
/// - A missing order was received at another endpoint. Then the endpoint's name or the API key is probably wrong, and nothing is repaired.
///
/// As a [`PeriodicTask`], it goes on where the last run ended, on any machine and also after an error, and looks again at orders that were
/// not final or had findings, for [48 hours](Self::look_back). The progress is stored in the inbox. Of several machines, one does it at a
/// time. It repairs missing orders unless it may [only report](Self::report_only), and logs its findings as warnings.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
/// use onramp_webhooks::inbox::MemoryInbox;
/// use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError, Receiver, Wert};
/// use onramp_webhooks_client::wert::{Reconciler, WertDataApi, Window};
/// use onramp_webhooks_testkit::events::WertOrder;
/// use onramp_webhooks_testkit::provider::FakeProvider;
///
/// # struct Shop;
/// # #[async_trait]
/// # impl Handler for Shop {
/// #     async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let provider = FakeProvider::start().await;
/// provider.add_order(&WertOrder::new(), "success");
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
/// let wert = WertDataApi::at(provider.url(), FakeProvider::API_KEY).build()?;
/// let reconciler = Reconciler::new(wert, Arc::clone(receiver.inbox()), "wert");
///
/// // On demand, page by page or all at once:
/// let everything = Window::new(Timestamp::from_millis(0), SystemClock::default().now());
/// let mut run = reconciler.report(everything);
/// while let Some(step) = run.step().await? {
///     // Store `run.checkpoint()` to resume after a crash.
/// }
/// assert_eq!(run.summary().missing, 1);
/// // The order is older than this inbox.
/// assert_eq!(reconciler.repair(everything).finish().await?.repaired, 0);
/// let told = reconciler.clone().repair_since(everything.since);
/// assert_eq!(told.repair(everything).finish().await?.repaired, 1);
/// assert!(reconciler.report(everything).finish().await?.is_resolved());
///
/// // Periodically:
/// let worker = receiver.worker(Shop).periodic_task(Duration::from_secs(15 * 60), reconciler).spawn();
/// worker.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Reconciler {
    pub(super) api: WertDataApi,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) endpoint: Arc<str>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) grace: Duration,
    pub(super) max_pages: u32,
    pub(super) max_findings: usize,
    pub(super) look_back: Duration,
    pub(super) repair_since: Option<Timestamp>,
    /// The time from which on an inbox that has received nothing yet would have received events.
    pub(super) created_at: Timestamp,
    report_only: bool,
}

impl Reconciler {
    /// Creates a reconciler that compares the orders of `api` with the deliveries at `endpoint` in `inbox`.
    #[must_use]
    pub fn new(api: WertDataApi, inbox: Arc<dyn Inbox>, endpoint: impl Into<Arc<str>>) -> Self {
        let clock = Arc::new(SystemClock::default());
        Self {
            api,
            inbox,
            endpoint: endpoint.into(),
            created_at: clock.now(),
            clock,
            grace: Duration::from_secs(15 * 60),
            max_pages: 500,
            max_findings: 1_000,
            look_back: Duration::from_secs(48 * 3_600),
            repair_since: None,
            report_only: false,
        }
    }

    /// Sets the grace period. Orders that were created or changed more recently are skipped, because their events may still arrive.
    /// Default: 15 min.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Sets the age up to which a [`PeriodicTask`] looks again at orders that are not final, or that have findings. An order that takes
    /// longer to complete is not found. Default: 48 h.
    #[must_use]
    pub fn look_back(self, look_back: Duration) -> Self {
        Self { look_back, ..self }
    }

    /// Also repairs orders that are older than the inbox, if they were created since this time. If another inbox has received them, they
    /// are handled **twice**.
    #[must_use]
    pub fn repair_since(self, since: Timestamp) -> Self {
        Self { repair_since: Some(since), ..self }
    }

    /// Disables repairs in runs as a [`PeriodicTask`]. Each of them reports about all orders within the [age](Self::look_back), and stores
    /// nothing.
    #[must_use]
    pub fn report_only(self) -> Self {
        Self { report_only: true, ..self }
    }

    /// Sets the number of findings that a summary keeps. All are counted. Default: 1 000.
    #[must_use]
    pub fn max_findings(self, max_findings: usize) -> Self {
        Self { max_findings, ..self }
    }

    /// Sets the number of pages of Wert's orders after which a run makes a new query, for the orders since the last one. If all these
    /// orders were created in one second, the run fails. Default: 500.
    #[must_use]
    pub fn max_pages(self, max_pages: u32) -> Self {
        Self { max_pages, ..self }
    }

    /// Sets the clock. Default: the system clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { created_at: clock.now(), clock, ..self }
    }

    /// Creates a run over `window` that changes nothing.
    #[must_use]
    pub fn report(&self, window: Window) -> ReconcileRun {
        self.start(window, false)
    }

    /// Creates a run over `window` that repairs missing orders.
    #[must_use]
    pub fn repair(&self, window: Window) -> ReconcileRun {
        self.start(window, true)
    }

    pub(super) fn start(&self, window: Window, repair: bool) -> ReconcileRun {
        let until = window.until.min(self.clock.now().before(self.grace));
        ReconcileRun::new(
            self.clone(),
            Checkpoint {
                endpoint: self.endpoint.to_string(),
                window: Window { until, ..window },
                repair,
                phase: Phase::Orders(Position::Start),
                summary: Summary::default(),
                slice: Slice::beginning_at(window.since),
                beginning: None,
                deliveries_after: None,
                deliveries_until: None,
            },
        )
    }

    /// Resumes a run, which another process may have started.
    ///
    /// # Errors
    /// Returns an error if the checkpoint belongs to another endpoint.
    pub fn resume(&self, checkpoint: Checkpoint) -> Result<ReconcileRun, WrongCheckpoint> {
        match *checkpoint.endpoint == *self.endpoint {
            true => Ok(ReconcileRun::new(self.clone(), checkpoint)),
            false => Err(WrongCheckpoint { endpoint: checkpoint.endpoint }),
        }
    }
}

#[async_trait]
impl PeriodicTask for Reconciler {
    fn name(&self) -> &str {
        "reconciliation with Wert"
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        if !self.report_only {
            return Ok(periodic::run(self).await?);
        }
        let mut run = self.report(Window::last(self.look_back, self.clock.now()));
        while let Some(step) = run.step().await? {
            periodic::log(&self.endpoint, &step.findings);
        }
        Ok(())
    }
}

/// The error of resuming a checkpoint that belongs to another endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongCheckpoint {
    /// The endpoint of the checkpoint.
    pub endpoint: String,
}

impl fmt::Display for WrongCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the checkpoint belongs to the endpoint {:?}", self.endpoint)
    }
}

impl Error for WrongCheckpoint {}

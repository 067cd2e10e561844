//! The configuration of a reconciliation.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::worker::PeriodicTask;
use onramp_webhooks::{Inbox, async_trait};

use super::{Checkpoint, Phase, Position, ReconcileRun, Summary, WertDataApi, Window};

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
/// In two cases no order is repaired, and an operator has to look at all findings:
///
/// - The endpoint received `order_complete` events without order ids, as in older payloads, since one day before the window. They may
///   belong to the missing orders.
/// - A missing order was received at another endpoint. Then the endpoint's name or the API key is probably wrong.
///
/// As a [`PeriodicTask`], it compares the last 48 hours at every run, repairs missing orders unless it may [only report](Self::report_only),
/// and logs its findings as warnings.
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
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret")).build()?;
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
/// assert_eq!(reconciler.repair(everything).finish().await?.repaired, 1);
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
    look_back: Duration,
    report_only: bool,
}

impl Reconciler {
    /// Creates a reconciler that compares the orders of `api` with the deliveries at `endpoint` in `inbox`.
    #[must_use]
    pub fn new(api: WertDataApi, inbox: Arc<dyn Inbox>, endpoint: impl Into<Arc<str>>) -> Self {
        Self {
            api,
            inbox,
            endpoint: endpoint.into(),
            clock: Arc::new(SystemClock::default()),
            grace: Duration::from_secs(15 * 60),
            max_pages: 10_000,
            max_findings: 1_000,
            look_back: Duration::from_secs(48 * 3_600),
            report_only: false,
        }
    }

    /// Sets the grace period. Orders that were created or changed more recently are skipped, because their events may still arrive.
    /// Default: 15 min.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Sets the length of the window of each run as a [`PeriodicTask`]. An order that takes longer to complete is not found.
    /// Default: 48 h.
    #[must_use]
    pub fn look_back(self, look_back: Duration) -> Self {
        Self { look_back, ..self }
    }

    /// Disables repairs in runs as a [`PeriodicTask`].
    #[must_use]
    pub fn report_only(self) -> Self {
        Self { report_only: true, ..self }
    }

    /// Sets the number of findings that a summary keeps. All are counted. Default: 1 000.
    #[must_use]
    pub fn max_findings(self, max_findings: usize) -> Self {
        Self { max_findings, ..self }
    }

    /// Sets the number of pages of Wert's orders after which a run fails. Default: 10 000.
    #[must_use]
    pub fn max_pages(self, max_pages: u32) -> Self {
        Self { max_pages, ..self }
    }

    /// Sets the clock. Default: the system clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
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

    fn start(&self, window: Window, repair: bool) -> ReconcileRun {
        let until = window.until.min(self.clock.now().before(self.grace));
        ReconcileRun::new(
            self.clone(),
            Checkpoint {
                endpoint: self.endpoint.to_string(),
                window: Window { until, ..window },
                repair,
                phase: Phase::Orders(Position::Start),
                summary: Summary::default(),
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
        let mut run = self.start(Window::last(self.look_back, self.clock.now()), !self.report_only);
        while let Some(step) = run.step().await? {
            for finding in step.findings {
                tracing::warn!(endpoint = %self.endpoint, %finding, "the inbox and Wert differ");
            }
        }
        let summary = run.summary();
        tracing::info!(endpoint = %self.endpoint, orders = summary.orders, repaired = summary.repaired, "reconciled with Wert");
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

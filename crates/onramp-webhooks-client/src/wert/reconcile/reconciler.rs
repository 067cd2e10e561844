//! What to compare, and how.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::worker::Chore;
use onramp_webhooks::{Inbox, async_trait};

use super::{Checkpoint, Pass, Position, Stage, Summary, WertDataApi, Window};

/// Compares what Wert knows with what came in at an endpoint, and repairs what is missing. Cheap to clone.
///
/// **Missing**: an order is complete at Wert, and its `order_complete` never came. Repaired, there is a delivery of it that is made of
/// what the Data API says and [marked](onramp_webhooks::Delivery::is_synthetic); it has the key of the real event, which therefore is a
/// duplicate if it comes after all. Any number of machines can repair at the same time, for the same reason.
///
/// **Status differs**: the event came, and Wert says otherwise. **Unknown**: the event came, and Wert does not know the order. Both are for
/// people to look at.
///
/// What it makes has amounts as exact as the API's, which are floats, and no fields that the API does not have: perhaps no address and no
/// transaction. Nothing is repaired while the endpoint receives `order_complete` events without order ids, which older payloads
/// are: nobody can tell whether they are the missing ones; nor when orders that are missing at this endpoint came in at another one,
/// because then its name, or the key, is the wrong one.
///
/// As a [`Chore`] it repairs (or [reports](Self::report_only)) the last 48 hours at every run; what it finds is in the log.
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
/// // On demand, page by page, or all at once:
/// let everything = Window::new(Timestamp::from_millis(0), SystemClock::default().now());
/// let mut pass = reconciler.report(everything);
/// while let Some(step) = pass.step().await? {
///     // Write `pass.checkpoint()` down, to go on there after a crash.
/// }
/// assert_eq!(pass.summary().missing, 1);
/// assert_eq!(reconciler.repair(everything).finish().await?.repaired, 1);
/// assert!(reconciler.report(everything).finish().await?.is_settled());
///
/// // By the clock:
/// let worker = receiver.worker(Shop).chore(Duration::from_secs(15 * 60), reconciler).spawn();
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
    pub(super) most_pages: u32,
    pub(super) most_findings: usize,
    look_back: Duration,
    report_only: bool,
}

impl Reconciler {
    /// Compares the orders that `api` knows with what came in at `endpoint` of `inbox`.
    #[must_use]
    pub fn new(api: WertDataApi, inbox: Arc<dyn Inbox>, endpoint: impl Into<Arc<str>>) -> Self {
        Self {
            api,
            inbox,
            endpoint: endpoint.into(),
            clock: Arc::new(SystemClock::default()),
            grace: Duration::from_secs(15 * 60),
            most_pages: 10_000,
            most_findings: 1_000,
            look_back: Duration::from_secs(48 * 3_600),
            report_only: false,
        }
    }

    /// Orders that were made or changed more recently than this are left alone: their events may be on their way. Default 15 min.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// How much of the past each run as a [`Chore`] looks at. An order that takes longer from its creation to its end is not seen.
    /// Default 48 h.
    #[must_use]
    pub fn look_back(self, look_back: Duration) -> Self {
        Self { look_back, ..self }
    }

    /// As a [`Chore`], repair nothing.
    #[must_use]
    pub fn report_only(self) -> Self {
        Self { report_only: true, ..self }
    }

    /// How many findings a summary keeps; it counts all. Default 1000.
    #[must_use]
    pub fn most_findings(self, most_findings: usize) -> Self {
        Self { most_findings, ..self }
    }

    /// A pass over more pages of Wert's orders than this takes Wert for broken. Default 10 000.
    #[must_use]
    pub fn most_pages(self, most_pages: u32) -> Self {
        Self { most_pages, ..self }
    }

    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// A pass over `window` that changes nothing.
    #[must_use]
    pub fn report(&self, window: Window) -> Pass {
        self.pass(window, false)
    }

    /// A pass over `window` that repairs what is missing.
    #[must_use]
    pub fn repair(&self, window: Window) -> Pass {
        self.pass(window, true)
    }

    fn pass(&self, window: Window, repair: bool) -> Pass {
        let until = window.until.min(self.clock.now().before(self.grace));
        Pass::new(
            self.clone(),
            Checkpoint {
                endpoint: self.endpoint.to_string(),
                window: Window { until, ..window },
                repair,
                stage: Stage::Orders(Position::Start),
                summary: Summary::default(),
            },
        )
    }

    /// Goes on with a pass that another process began.
    ///
    /// # Errors
    /// When it is about another endpoint.
    pub fn resume(&self, checkpoint: Checkpoint) -> Result<Pass, WrongCheckpoint> {
        match *checkpoint.endpoint == *self.endpoint {
            true => Ok(Pass::new(self.clone(), checkpoint)),
            false => Err(WrongCheckpoint { endpoint: checkpoint.endpoint }),
        }
    }
}

#[async_trait]
impl Chore for Reconciler {
    fn name(&self) -> &str {
        "reconciliation with Wert"
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut pass = self.pass(Window::last(self.look_back, self.clock.now()), !self.report_only);
        while let Some(step) = pass.step().await? {
            for finding in step.findings {
                tracing::warn!(endpoint = %self.endpoint, %finding, "the inbox and Wert differ");
            }
        }
        let summary = pass.summary();
        tracing::info!(endpoint = %self.endpoint, orders = summary.orders, repaired = summary.repaired, "reconciled with Wert");
        Ok(())
    }
}

/// A checkpoint of another endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongCheckpoint {
    /// That endpoint.
    pub endpoint: String,
}

impl fmt::Display for WrongCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the checkpoint is about the endpoint {:?}", self.endpoint)
    }
}

impl Error for WrongCheckpoint {}

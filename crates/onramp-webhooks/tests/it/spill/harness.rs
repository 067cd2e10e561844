//! A primary inbox and a spill that fail on demand, with paused time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{Clock, Timestamp};
use onramp_webhooks::inbox::{Filter, Inbox, Record};
use onramp_webhooks::spill::{SpillInbox, SpillOptions, SpillStatus, SpillStore};
use onramp_webhooks::{Receiver, Wert, async_trait};
use onramp_webhooks_testkit::events::WertOrder;
use tokio::time::Instant;

use super::faulty_spill::FaultySpill;
use crate::faulty::Faulty;

/// Longer than anything takes here.
const SOON: Duration = Duration::from_secs(600);

/// A clock that goes with tokio's.
#[derive(Debug)]
pub(crate) struct TokioClock(Instant);

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(self.0.elapsed())
    }

    async fn sleep_until(&self, moment: Timestamp) {
        // A whole millisecond more, because timestamps have no fractions.
        while self.now() < moment {
            tokio::time::sleep(moment.since(self.now()).max(Duration::from_millis(1))).await;
        }
    }
}

pub(crate) struct Harness {
    pub(crate) primary: Faulty,
    pub(crate) spill: FaultySpill,
    pub(crate) inbox: SpillInbox<Faulty>,
    pub(crate) receiver: Receiver,
}

pub(crate) fn options(spill: &FaultySpill) -> SpillOptions {
    SpillOptions::new(spill.clone()).clock(Arc::new(TokioClock(Instant::now())))
}

impl Harness {
    pub(crate) async fn new() -> Self {
        let (primary, spill) = (Faulty::default(), FaultySpill::default());
        let inbox = options(&spill).over(primary.clone()).await.unwrap();
        Self::of(primary, spill, inbox)
    }

    /// A harness whose primary inbox is away, and where a delivery has already waited for that.
    pub(crate) async fn with_an_outage() -> Self {
        let harness = Self::new().await;
        harness.primary.is_away();
        assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
        harness
    }

    pub(crate) fn of(primary: Faulty, spill: FaultySpill, inbox: SpillInbox<Faulty>) -> Self {
        let clock = Arc::new(TokioClock(Instant::now()));
        let receiver = Receiver::builder(inbox.clone()).endpoint(Wert::without_path_secret()).clock(clock).build().unwrap();
        Self { primary, spill, inbox, receiver }
    }

    /// Posts one of Wert's events, and returns the status.
    pub(crate) async fn post(&self, body: Bytes) -> u16 {
        self.receiver.receive(&Request::new("POST", "/wert", None, &[]), Full::new(body)).await.status()
    }

    /// [`post`](Self::post), and how long it took.
    pub(crate) async fn timed(&self, body: Bytes) -> (u16, Duration) {
        let begun = Instant::now();
        (self.post(body).await, begun.elapsed())
    }

    pub(crate) async fn status(&self) -> SpillStatus {
        self.inbox.status().await.unwrap()
    }

    pub(crate) async fn is_open(&self) -> bool {
        self.status().await.open_since.is_some()
    }

    pub(crate) async fn waiting(&self) -> u64 {
        self.spill.counts().await.unwrap().waiting
    }

    /// Returns once the primary inbox has everything, and is asked again.
    pub(crate) async fn closes(&self) {
        let closed = async || !self.is_open().await && self.waiting().await == 0;
        until("the breaker closes", closed).await;
    }

    /// All that the primary inbox has, the oldest first.
    pub(crate) async fn kept(&self) -> Vec<Record> {
        let mut kept = self.primary.list(Filter::all().limit(100_000)).await.unwrap().records;
        kept.reverse();
        kept
    }

    /// The types of all that the primary inbox has about an order, the oldest first.
    pub(crate) async fn types(&self, order: &WertOrder) -> Vec<String> {
        let about = |record: &Record| record.key.as_ref().is_some_and(|key| key.is_about(order.id().unwrap()));
        self.kept().await.into_iter().filter(about).filter_map(|record| record.event_type).collect()
    }
}

/// Waits for what must come.
pub(crate) async fn until(what: &str, come: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !come().await {
        assert!(Instant::now() < deadline, "{what}: not within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

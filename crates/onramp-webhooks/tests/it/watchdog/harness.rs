//! A receiver with a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, ManualClock, Timestamp};
use onramp_webhooks::inbox::{Inbox, NewDelivery};
use onramp_webhooks::watchdog::{EndpointStatus, Verdict};
use onramp_webhooks::{Endpoint, Kriptomat, Receiver, Wert};

use crate::faulty::Faulty;
use crate::tools::Door;
use crate::worker::harness::rest;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// The silence of Wert that raises an alarm.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(2 * 3_600);

/// A Monday, at midnight.
const MONDAY: Timestamp = Timestamp::from_millis(1_704_067_200_000);

/// Wert with a secret, and Kriptomat from its documented address, without and with a secret.
pub(crate) struct Harness {
    pub(crate) inbox: Faulty,
    pub(crate) clock: ManualClock,
    pub(crate) wert: Door,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        Self::with(Kriptomat::production()).await
    }

    /// With another endpoint of Kriptomat without a secret.
    pub(crate) async fn with(kriptomat: Endpoint) -> Self {
        let harness = Self::on(Faulty::default(), ManualClock::at(MONDAY), kriptomat);
        rest().await;
        harness
    }

    fn on(inbox: Faulty, clock: ManualClock, kriptomat: Endpoint) -> Self {
        let receiver = receiver(inbox.clone(), &clock, kriptomat);
        Self { inbox, clock, wert: Door { provider: "wert", receiver, path: "/wert/s3cret-for-examples".into() } }
    }

    /// Another receiver on the same inbox and clock, which has received nothing itself.
    pub(crate) async fn beside(&self) -> Self {
        let harness = Self::on(self.inbox.clone(), self.clock.clone(), Kriptomat::production());
        rest().await;
        harness
    }

    /// Posts so many purchases at the beginning of each hour. Returns the number of hours with an alarm at their end.
    pub(crate) async fn passes(&self, hours: u64, purchases: usize) -> usize {
        let mut alarms = 0;
        for _ in 0..hours {
            self.posts(purchases).await;
            self.advance(HOUR).await;
            alarms += usize::from(self.verdict().is_alarm());
        }
        alarms
    }

    /// Records deliveries as another process.
    pub(crate) async fn records(&self, provider: &str, deliveries: u32) {
        for _ in 0..deliveries {
            let new = NewDelivery::new(provider, provider, self.clock.now(), "{}".into());
            self.inbox.record(new).await.unwrap();
        }
    }

    /// Returns the time at which the clock was started.
    pub(crate) fn started(&self) -> Timestamp {
        MONDAY
    }

    pub(crate) async fn advance(&self, time: Duration) {
        self.clock.advance(time);
        rest().await;
    }

    /// Posts purchases. Returns the statuses of the replies.
    pub(crate) async fn posts(&self, times: usize) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..times {
            statuses.push(self.wert.post(self.wert.purchase()).await.status());
        }
        statuses
    }

    pub(crate) async fn kriptomat(&self, method: &str, path: &str, peer: &str) -> u16 {
        let body = onramp_webhooks_testkit::events::Postback::new().json();
        self.wert.send(method, path, Some(peer), &[("content-type", "application/json")], body).await.status()
    }

    pub(crate) fn watch(&self, name: &str) -> EndpointStatus {
        self.wert.receiver.watch().into_iter().find(|watch| &*watch.name == name).unwrap()
    }

    /// Returns the verdict on Wert.
    pub(crate) fn verdict(&self) -> Verdict {
        self.watch("wert").verdict
    }
}

fn receiver(inbox: impl Inbox, clock: &ManualClock, kriptomat: Endpoint) -> Receiver {
    Receiver::builder(inbox)
        .endpoint(Wert::with_path_secret("s3cret-for-examples").silent_after(SILENT_AFTER))
        .endpoint(kriptomat)
        .endpoint(Kriptomat::production().path_secret("s3cret-for-examples").named("both"))
        .clock(Arc::new(clock.clone()))
        .build()
        .unwrap()
}

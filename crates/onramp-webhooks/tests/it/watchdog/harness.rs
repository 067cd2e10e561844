//! A receiver with a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, ManualClock, Timestamp};
use onramp_webhooks::inbox::{Inbox, NewDelivery};
use onramp_webhooks::watchdog::{EndpointWatch, Verdict};
use onramp_webhooks::{Kriptomat, Provider, Receiver, Wert};

use crate::faulty::Faulty;
use crate::tools::Door;
use crate::worker::harness::rest;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// A Monday, at midnight.
const MONDAY: Timestamp = Timestamp::from_millis(1_704_067_200_000);

/// Wert with a secret, and Kriptomat from the documented address.
pub(crate) struct Harness {
    pub(crate) inbox: Faulty,
    pub(crate) clock: ManualClock,
    pub(crate) wert: Door,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        let harness = Self::on(Faulty::default(), ManualClock::at(MONDAY));
        rest().await;
        harness
    }

    fn on(inbox: Faulty, clock: ManualClock) -> Self {
        let receiver = receiver(inbox.clone(), &clock);
        Self { inbox, clock, wert: Door { provider: Provider::Wert, receiver, path: "/wert/s3cret".into() } }
    }

    /// The same inbox at the same time, and a receiver that has seen nothing.
    pub(crate) async fn beside(&self) -> Self {
        let harness = Self::on(self.inbox.clone(), self.clock.clone());
        rest().await;
        harness
    }

    /// Days as `deliveries` has them: how many in which hour, counted from Monday midnight. Answers in which hours there was an alarm.
    pub(crate) async fn passes(&self, hours: u64, deliveries: impl Fn(u64) -> u32) -> Vec<u64> {
        let mut alarms = Vec::new();
        for _ in 0..hours {
            let hour = self.hour();
            for _ in 0..deliveries(hour) {
                self.wert.post(self.wert.purchase()).await;
            }
            self.clock.advance(HOUR);
            rest().await;
            if self.verdict().is_alarm() {
                alarms.push(hour + 1);
            }
        }
        alarms
    }

    /// Records deliveries as another process.
    pub(crate) async fn records(&self, provider: Provider, deliveries: u32) {
        for _ in 0..deliveries {
            let new = NewDelivery::new(provider.as_str(), provider, self.clock.now(), "{}".into());
            self.inbox.record(new).await.unwrap();
        }
    }

    /// Hours since Monday midnight.
    pub(crate) fn hour(&self) -> u64 {
        self.clock.now().since(MONDAY).as_secs() / 3_600
    }

    pub(crate) async fn advance(&self, time: Duration) {
        self.clock.advance(time);
        rest().await;
    }

    /// Sends purchases, and answers their statuses.
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

    pub(crate) fn watch(&self, name: &str) -> EndpointWatch {
        self.wert.receiver.watch().into_iter().find(|watch| &*watch.name == name).unwrap()
    }

    /// Wert's.
    pub(crate) fn verdict(&self) -> Verdict {
        self.watch("wert").verdict
    }
}

fn receiver(inbox: impl Inbox, clock: &ManualClock) -> Receiver {
    Receiver::builder(inbox)
        .endpoint(Wert::with_path_secret("s3cret"))
        .endpoint(Kriptomat::production())
        .endpoint(Kriptomat::production().path_secret("s3cret").named("both"))
        .clock(Arc::new(clock.clone()))
        .build()
        .unwrap()
}

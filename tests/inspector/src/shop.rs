//! A shop whose inbox has a delivery in every state that an operator deals with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Filter, Inbox, MemoryInbox, Record, Restored, State, find_first, list_all};
use onramp_webhooks::worker::RetryPolicy;
use onramp_webhooks::{Delivery, Handler, HandlerError, Kriptomat, Receiver, Wert, Worker};
use onramp_webhooks_inspector::Inspector;
use onramp_webhooks_testkit::events::{Postback, WertOrder};
use tokio::sync::watch;

use crate::past;

/// The token of operators.
pub const TOKEN: &str = "a-token-for-tests-0123456789abcdef";

const PATH: &str = "/wert/s3cret-for-examples";

/// The shop, with its worker.
pub struct Shop {
    /// The receiver, with an inbox in memory.
    pub receiver: Receiver,
    credits: Arc<Credits>,
    _worker: Worker,
}

/// The handler: what it does with purchases, and how often it has done so.
struct Credits {
    mode: watch::Sender<Mode>,
    done: Mutex<BTreeMap<DeliveryId, u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Broken,
    Mended,
    /// Waits until the mode is another one.
    Holding,
}

#[async_trait]
impl Handler for Credits {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let is_purchase = delivery.completed_purchase()?.is_some();
        if is_purchase {
            let mut mode = self.mode.subscribe();
            let mode = *mode.wait_for(|mode| *mode != Mode::Holding).await?;
            if mode == Mode::Broken {
                return Err("insert into points: column \"currency\" of relation \"points\" does not exist".into());
            }
        }
        match delivery.event().type_name() {
            "order_failed" => Err(HandlerError::not_yet(Duration::from_secs(3_600), "the order is not final")),
            _ => {
                *self.done.lock().unwrap().entry(delivery.id()).or_default() += 1;
                Ok(())
            }
        }
    }
}

impl Shop {
    /// Opens the shop, and waits until its inbox is filled.
    pub async fn open() -> Self {
        let receiver = Receiver::builder(MemoryInbox::new())
            .endpoint(Wert::with_path_secret("s3cret-for-examples"))
            .endpoint(Kriptomat::allowing("127.0.0.1".parse().unwrap()))
            .build()
            .unwrap();
        let credits = Arc::new(Credits { mode: watch::Sender::new(Mode::Broken), done: Mutex::default() });
        let attempts = RetryPolicy::new(3, Duration::from_millis(1), Duration::from_millis(1));
        let worker = receiver.worker(Arc::clone(&credits)).retry(attempts).spawn();
        let shop = Self { receiver, credits, _worker: worker };
        shop.fill().await;
        shop
    }

    /// Does what a step of a browser asks for: `dead/6`. Returns an answer.
    pub async fn act(&self, action: &str) -> String {
        let inbox = self.receiver.inbox();
        match *action.split('/').collect::<Vec<_>>() {
            ["break"] => self.set(Mode::Broken),
            ["mend"] => self.set(Mode::Mended),
            ["hold"] => self.set(Mode::Holding),
            ["held"] => self.settled(State::Leased, 1).await,
            ["receive"] => self.receive(PATH, WertOrder::new().complete()).await,
            // Makes dead letters, and returns the id of the oldest.
            ["dead", number] => {
                self.set(Mode::Broken);
                for _ in 0..number.parse().unwrap() {
                    self.receive(PATH, WertOrder::new().click_id("customer-20418").complete()).await;
                }
                self.settled(State::Pending, 0).await;
                self.settled(State::Leased, 0).await;
                self.settled(State::Retrying, 0).await;
                self.set(Mode::Mended);
                let dead = Filter::all().state(State::Dead).resolved(false).oldest_first();
                return find_first(&**inbox, dead).await.unwrap().unwrap().id.to_string();
            }
            ["states", state, number] => {
                let (state, number): (State, u64) = (state.parse().unwrap(), number.parse().unwrap());
                while inbox.open_counts().await.unwrap().of(state) != number {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            ["resolve"] => {
                let open = Filter::all().state(State::Dead).state(State::Conflict).state(State::Quarantined);
                for record in list_all(&**inbox, open.resolved(false)).await.unwrap() {
                    inbox.resolve(Timestamp::now(), record.id, "by the test").await.unwrap();
                }
            }
            // Stores the traffic of 90 days.
            ["past"] => past::store_traffic(&**inbox, Timestamp::now()).await,
            // Stores other receivers, with an endpoint that is silent and one that is refused.
            ["silent"] => past::store_receivers(&**inbox, Timestamp::now(), true).await,
            ["calm"] => past::store_receivers(&**inbox, Timestamp::now(), false).await,
            // Restores a dead letter whose handler may have succeeded, and returns its id.
            ["unsure"] => {
                let dead = find_first(&**inbox, Filter::all().state(State::Dead)).await.unwrap().unwrap();
                let record = inbox.show(dead.id).await.unwrap().unwrap();
                let unsure =
                    Record { key: None, cause: Some(DeadCause::TransactionEnded), resolved_at: None, resolution: None, ..record };
                let restored = inbox.restore(vec![unsure]).await.unwrap();
                let [Restored::New(id)] = *restored.as_slice() else { panic!("{restored:?}") };
                return id.to_string();
            }
            // Returns the number of deliveries that were handled several times.
            ["twice"] => return self.credits.done.lock().unwrap().values().filter(|times| **times > 1).count().to_string(),
            _ => panic!("there is no action {action}"),
        }
        String::new()
    }

    fn set(&self, mode: Mode) {
        self.credits.mode.send_replace(mode);
    }

    /// Returns an inspector that needs [`TOKEN`].
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        Inspector::builder(self.receiver.inbox().clone()).title("Shop", "production").token(TOKEN).build().unwrap()
    }

    async fn fill(&self) {
        for amount in ["250.00", "49.00", "310.50", "1271.39", "18.00"] {
            let order = WertOrder::new().fiat(amount, "USD").click_id("customer-20418");
            for body in [order.payment_started(), order.transfer_started(), order.complete()] {
                self.receive(PATH, body).await;
            }
        }
        self.settled(State::Dead, 5).await;
        self.set(Mode::Mended);
        let order = WertOrder::new();
        self.receive(PATH, order.complete()).await;
        self.receive(PATH, order.complete()).await;
        self.receive(PATH, order.clone().fiat("950.00", "USD").complete()).await;
        self.receive(PATH, WertOrder::new().with("quote_amount", "a lot <b>").complete()).await;
        self.receive(PATH, WertOrder::new().failed()).await;
        self.receive("/kriptomat", Postback::new().json()).await;
        self.receive(PATH, WertOrder::new().event("<img src=x onerror=alert(1)>")).await;
        self.settled(State::Parked, 1).await;
        self.settled(State::Pending, 0).await;
    }

    async fn receive(&self, path: &str, body: impl Into<bytes::Bytes>) {
        let none: [(&str, &str); 0] = [];
        let request = Request::new("POST", path, "127.0.0.1".parse().ok(), &none);
        self.receiver.receive(&request, Full::new(body)).await;
    }

    /// Waits until the inbox has `count` deliveries in `state`.
    async fn settled(&self, state: State, count: u64) {
        let inbox: &Arc<dyn Inbox> = self.receiver.inbox();
        while inbox.counts().await.unwrap().of(state) != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

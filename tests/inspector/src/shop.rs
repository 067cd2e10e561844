//! A shop whose inbox has a delivery in every state that an operator deals with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::inbox::{Inbox, MemoryInbox, State};
use onramp_webhooks::worker::RetryPolicy;
use onramp_webhooks::{Delivery, Handler, HandlerError, Kriptomat, Receiver, Wert, Worker};
use onramp_webhooks_inspector::Inspector;
use onramp_webhooks_testkit::events::{Postback, WertOrder};

/// The token of operators.
pub const TOKEN: &str = "a-token-for-tests-0123456789abcdef";

const PATH: &str = "/wert/s3cret-for-examples";

/// The shop, with its worker.
pub struct Shop {
    /// The receiver, with an inbox in memory.
    pub receiver: Receiver,
    is_mended: Arc<AtomicBool>,
    _worker: Worker,
}

struct Credits(Arc<AtomicBool>);

#[async_trait]
impl Handler for Credits {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let is_purchase = delivery.completed_purchase()?.is_some();
        match delivery.event().type_name() {
            "order_failed" => Err(HandlerError::not_yet(Duration::from_secs(3_600), "the order is not final")),
            _ if is_purchase && !self.0.load(Ordering::SeqCst) => {
                Err("insert into points: column \"currency\" of relation \"points\" does not exist".into())
            }
            _ => Ok(()),
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
        let is_mended = Arc::new(AtomicBool::new(false));
        let attempts = RetryPolicy::new(3, Duration::from_millis(1), Duration::from_millis(1));
        let worker = receiver.worker(Credits(Arc::clone(&is_mended))).retry(attempts).spawn();
        let shop = Self { receiver, is_mended, _worker: worker };
        shop.fill().await;
        shop
    }

    /// Lets the handler succeed from now on.
    pub fn mend(&self) {
        self.is_mended.store(true, Ordering::SeqCst);
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
        self.mend();
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

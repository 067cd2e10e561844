//! A shop with an inbox that an operator looks at and mends.
#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, DeadCause, DeliveryId, Filter, Record, Settled, Settlement, State};
use onramp_webhooks::purchases::{KnownPurchases, PurchaseStore};
use onramp_webhooks::{Delivery, Handler, HandlerError, Inbox, Kriptomat, Receiver, Wert, Worker, async_trait};
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_suite::postgres::{self, TestSchema};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::program::{Ran, command};

/// Declares each test for both databases.
#[allow(unused_macros, reason = "each file of tests uses a part of it")]
macro_rules! on_both {
    ($($(#[doc = $doc:literal])* async fn $name:ident($shop:ident: Shop) $body:block)+) => {
        $(async fn $name($shop: Shop) $body)+
        mod on_sqlite {
            use super::Shop;
            $(#[tokio::test] async fn $name() { super::$name(Shop::on_sqlite().await).await })+
        }
        mod on_postgres {
            use super::Shop;
            $(#[tokio::test] async fn $name() { super::$name(Shop::on_postgres().await).await })+
        }
    };
}

const SECRET: &str = "s3cret-for-examples";

/// A database, and the program that uses it.
pub(crate) struct Shop {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    schema: Option<TestSchema>,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) purchases: Arc<dyn PurchaseStore>,
    receiver: Receiver,
}

impl Shop {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        let inbox = SqliteInbox::open(&file).await.unwrap();
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let purchases = Arc::new(inbox.purchases());
        Self::of(folder, url, None, Arc::new(inbox), purchases)
    }

    pub(crate) async fn on_postgres() -> Self {
        let schema = TestSchema::new();
        let inbox = schema.open(Default::default()).await;
        let purchases = Arc::new(inbox.purchases());
        Self::of(tempfile::tempdir().unwrap(), postgres::url(), Some(schema), Arc::new(inbox), purchases)
    }

    fn of(
        folder: TempDir,
        url: String,
        schema: Option<TestSchema>,
        inbox: Arc<dyn Inbox>,
        purchases: Arc<dyn PurchaseStore>,
    ) -> Self {
        let receiver = Receiver::builder(Arc::clone(&inbox))
            .endpoint(Wert::with_path_secret(SECRET))
            .endpoint(Kriptomat::with_path_secret(SECRET))
            .build()
            .unwrap();
        Self { folder, url, schema, inbox, purchases, receiver }
    }

    /// Receives a body, and returns the newest delivery.
    pub(crate) async fn receive(&self, provider: &str, body: impl Into<Vec<u8>>) -> DeliveryId {
        let path = format!("/{provider}/{SECRET}");
        let request = Request::new("POST", &path, None, &[]);
        self.receiver.receive(&request, Full::new(body.into())).await;
        self.inbox.list(Filter::all().limit(1)).await.unwrap().records.pop().unwrap().id
    }

    /// Receives two orders, one of which is handled, and refuses a request. A worker has stored that.
    pub(crate) async fn has_traffic(&self) {
        self.order("O1", "customer-20418", "250.00").await;
        self.order("O2", "Ada", "49.99").await;
        self.refused("/wert/wrong-s3cret-for-examples", "203.0.113.9").await;
        let (worker, _) = self.worker(&["Ada"]);
        worker.idle().await;
        worker.shutdown().await;
    }

    /// Receives a request that is refused.
    async fn refused(&self, path: &str, address: &str) {
        let request = Request::new("POST", path, Some(address.parse().unwrap()), &[]);
        let reply = self.receiver.receive(&request, Full::new("{}")).await;
        assert!((400..500).contains(&reply.status()), "{}", reply.status());
    }

    /// Receives the completion of an order.
    pub(crate) async fn order(&self, id: &str, customer: &str, amount: &str) -> DeliveryId {
        self.receive("wert", completion(id, customer, amount)).await
    }

    /// Receives the completion of an order, which becomes a dead letter.
    pub(crate) async fn dead(&self, id: &str, customer: &str, amount: &str, error: &str) -> DeliveryId {
        let delivery = self.order(id, customer, amount).await;
        self.settle(Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: error.to_owned() }).await;
        delivery
    }

    /// Settles the delivery that is due.
    pub(crate) async fn settle(&self, settled: Settled) {
        self.settle_at(Timestamp::now(), settled).await;
    }

    pub(crate) async fn settle_at(&self, now: Timestamp, settled: Settled) {
        let claims = self.inbox.claim(now, ClaimRequest::new(1, Duration::from_secs(9))).await.unwrap();
        let lease = claims.deliveries.first().unwrap().lease;
        assert_eq!(self.inbox.settle(now, vec![Settlement::new(lease, settled)]).await.unwrap(), []);
    }

    pub(crate) async fn show(&self, id: DeliveryId) -> Record {
        self.inbox.show(id).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, id: DeliveryId) -> State {
        self.show(id).await.state
    }

    /// Returns the program with arguments, which may end with a stray space.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.args(arguments).arg("--utc").env("DATABASE_URL", &self.url);
        command.envs(self.schema.as_ref().map(|schema| ("ONRAMP_SCHEMA", schema.name())));
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments)).await
    }

    /// Runs the program with a standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // The program may end without reading.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        Ran::from(tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.unwrap().unwrap())
    }

    /// Starts a worker that succeeds, except for these customers.
    pub(crate) fn worker(&self, failing: &'static [&'static str]) -> (Worker, Arc<AtomicUsize>) {
        let handled = Arc::new(AtomicUsize::new(0));
        let handler = Credit { failing, handled: Arc::clone(&handled) };
        let check = KnownPurchases::new(Arc::clone(&self.purchases));
        (self.receiver.worker(handler).before(check).poll(Duration::from_millis(20)).spawn(), handled)
    }
}

/// Counts handled purchases.
struct Credit {
    failing: &'static [&'static str],
    handled: Arc<AtomicUsize>,
}

#[async_trait]
impl Handler for Credit {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        if let Some(purchase) = delivery.completed_purchase()? {
            let customer = purchase.customer_id()?;
            if self.failing.contains(&customer) {
                return Err(HandlerError::permanent(format!("no user {customer}")));
            }
            self.handled.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Returns the body of an order that is complete.
pub(crate) fn completion(id: &str, customer: &str, amount: &str) -> String {
    serde_json::json!({
        "type": "order_complete",
        "click_id": customer,
        "order": {
            "id": id, "base": "BTC", "base_amount": "0.004", "quote": "USD", "quote_amount": amount,
            "address": "bc1q5d182a80d71bcbecd5e8fd869ff169e19a6c3a",
        },
    })
    .to_string()
}

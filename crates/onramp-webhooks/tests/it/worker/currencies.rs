//! Fiat currencies that a shop states for its endpoints.

use std::sync::{Arc, Mutex};

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, Filter, MemoryInbox, ReplayScope, State, replay};
use onramp_webhooks::purchases::{KnownPurchases, MemoryPurchaseStore, Purchase, PurchaseStore};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{
    Delivery, Endpoint, Handler, HandlerError, Inbox as _, Kriptomat, Receiver, ReceiverBuilder, Wert, async_trait,
};
use onramp_webhooks_testkit::events::{Postback, WertOrder};

/// A check or a handler that keeps the money that it gets. Clones are the same one.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Handler for Seen {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let purchase = delivery.completed_purchase()?.ok_or("no purchase")?;
        self.0.lock().unwrap().push(format!("{} for {}", purchase.fiat, purchase.crypto));
        Ok(())
    }
}

impl Seen {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn receiver(inbox: &Arc<MemoryInbox>, endpoints: impl IntoIterator<Item = Endpoint>) -> Receiver {
    let builder = Receiver::builder(Arc::clone(inbox));
    endpoints.into_iter().fold(builder, ReceiverBuilder::endpoint).build().unwrap()
}

async fn post(receiver: &Receiver, path: &str, body: impl Into<bytes::Bytes>) {
    let reply = receiver.receive(&Request::new("POST", path, None, &[]), Full::new(body.into())).await;
    assert_eq!(reply.status(), 200);
}

async fn work(worker: WorkerBuilder) {
    let worker = worker.spawn();
    worker.idle().await;
    worker.shutdown().await;
}

#[tokio::test]
async fn an_unclear_purchase_is_decided_by_the_statement_of_its_endpoint() {
    let inbox = Arc::new(MemoryInbox::new());
    let order = || WertOrder::new().crypto("104.2", "MNT").fiat("120.00", "USD");
    let stated = receiver(
        &inbox,
        [Wert::without_path_secret().fiat_currency("EUR").fiat_currency("usd"), Wert::without_path_secret().named("other")],
    );
    post(&stated, "/wert", order().complete()).await;
    post(&stated, "/other", order().complete()).await;
    let (checked, handled) = (Seen::default(), Seen::default());
    work(stated.worker(handled.clone()).before(checked.clone())).await;
    assert_eq!(checked.taken(), ["120.00 USD for 104.2 MNT"], "checks use the statement as well");
    assert_eq!(handled.taken(), ["120.00 USD for 104.2 MNT"]);

    let dead = inbox.list(Filter::all().state(State::Dead)).await.unwrap().records.remove(0);
    assert_eq!((&*dead.endpoint, dead.cause), ("other", Some(DeadCause::RefusedByCheck)));
    assert!(dead.note.unwrap().contains("Endpoint::fiat_currency"));

    // The shop states the currency of the other endpoint later.
    let later = receiver(&inbox, [Wert::without_path_secret().named("other").fiat_currency("USD")]);
    replay(&*inbox, later.providers(), dead.id, ReplayScope::Unhandled, dead.received_at).await.unwrap();
    work(later.worker(handled.clone())).await;
    assert_eq!(handled.taken(), ["120.00 USD for 104.2 MNT"]);
}

#[tokio::test]
async fn a_worker_without_a_receiver_has_statements_of_its_own() {
    let inbox = Arc::new(MemoryInbox::new());
    let receiver = receiver(&inbox, [Wert::without_path_secret()]);
    post(&receiver, "/wert", WertOrder::new().crypto("1", "MNT").fiat("2", "USD").complete()).await;
    post(&receiver, "/wert", WertOrder::new().crypto("3", "MNT").fiat("4", "EUR").complete()).await;
    let seen = Seen::default();
    let worker = WorkerBuilder::new(inbox, Arc::new(seen.clone())).concurrency(1);
    work(worker.fiat_currency("wert", "USD").fiat_currency("wert", "EUR").fiat_currency("other", "MNT")).await;
    assert_eq!(seen.taken(), ["2 USD for 1 MNT", "4 EUR for 3 MNT"]);
}

#[tokio::test]
async fn a_postback_is_in_the_currency_of_its_endpoint() {
    let inbox = Arc::new(MemoryInbox::new());
    let endpoint = |name: &str| Kriptomat::with_path_secret("s3cret-for-examples").named(name);
    let endpoints = [endpoint("default"), endpoint("british").fiat_currency("EUR").fiat_currency("GBP")];
    let receiver = receiver(&inbox, endpoints);
    let postback = Postback::new();
    for name in ["default", "british"] {
        post(&receiver, &format!("/{name}/s3cret-for-examples"), postback.json()).await;
        let seen = Seen::default();
        work(receiver.worker(seen.clone())).await;
        let expected = if name == "british" { "GBP" } else { "EUR" };
        assert_eq!(seen.taken(), [format!("180.40 {expected} for 0.0625 eth")]);
    }
    let other = self::receiver(&inbox, [endpoint("british").fiat_currency("USD")]);
    post(&other, "/british/s3cret-for-examples", postback.json()).await;
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 2, "a copy is a duplicate whatever is stated");
    assert_eq!(inbox.list(Filter::all()).await.unwrap().records.len(), 2);
}

#[tokio::test]
async fn a_purchase_that_was_started_in_a_currency_is_paid_in_it() {
    let (inbox, purchases) = (Arc::new(MemoryInbox::new()), Arc::new(MemoryPurchaseStore::new()));
    let receiver = receiver(&inbox, [Kriptomat::with_path_secret("s3cret-for-examples").fiat_currency("USD")]);
    let seen = Seen::default();
    for (stated, expected) in [(Some("GBP"), "GBP"), (None, "USD")] {
        let postback = Postback::new();
        let mut purchase = Purchase::new(postback.uuid().unwrap(), Timestamp::default()).fiat_amount("180.4".parse().unwrap());
        purchase.fiat_currency = stated.map(Into::into);
        purchases.start(purchase).await.unwrap();
        post(&receiver, "/kriptomat/s3cret-for-examples", postback.json()).await;
        work(receiver.worker(seen.clone()).before(KnownPurchases::new(Arc::clone(&purchases)))).await;
        assert_eq!(seen.taken(), [format!("180.40 {expected} for 0.0625 eth")]);
    }
}

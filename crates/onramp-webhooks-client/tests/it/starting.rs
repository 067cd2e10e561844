//! Widgets that are recorded as purchases, and their postbacks.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::{Inbox, MemoryInbox, State};
use onramp_webhooks::purchases::{KnownPurchases, MemoryPurchaseStore, Purchase, PurchaseStatus, PurchaseStore};
use onramp_webhooks::{Delivery, Handler, HandlerError, Kriptomat, Receiver, StoreError, StoreErrorKind};
use onramp_webhooks_client::ClientErrorKind;
use onramp_webhooks_client::kriptomat::WidgetRequest;
use onramp_webhooks_testkit::events::Postback;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};
use serde_json::json;

use super::tools::{NOW, kriptomat};

const ADDRESS: &str = "0x7873ce9E57c6aEEA16aD6AE759CE955736f14e96";

fn request() -> WidgetRequest {
    WidgetRequest::new().asset_type("ETH").to_address(ADDRESS).network("base").fiat_amount("35".parse().unwrap())
}

#[tokio::test]
async fn what_was_asked_for_is_written_down() {
    let provider = FakeProvider::start().await;
    let kriptomat = kriptomat(&provider).clock(Arc::new(ManualClock::at(NOW))).build().unwrap();
    let purchases = MemoryPurchaseStore::new();
    let uuid = kriptomat.start(&request(), &purchases).await.unwrap().uuid.unwrap();
    let started = Purchase::new(&uuid, NOW).asset_type("eth").to_address(ADDRESS).network("base");
    let known = purchases.find(&uuid.as_str().into()).await.unwrap();
    assert_eq!(known.started, Some(started.fiat_amount("35".parse().unwrap())));

    let crypto = WidgetRequest::new().crypto_amount("0.5".parse().unwrap()).fiat_currency("GBP");
    let uuid = kriptomat.start(&crypto, &purchases).await.unwrap().uuid.unwrap();
    let known = purchases.find(&uuid.as_str().into()).await.unwrap();
    assert_eq!(known.started, Some(Purchase::new(&uuid, NOW).crypto_amount("0.5".parse().unwrap()).fiat_currency("GBP")));
}

/// Cannot be written.
#[derive(Debug)]
struct FullStore;

#[async_trait]
impl PurchaseStore for FullStore {
    async fn start(&self, _: Purchase) -> Result<(), StoreError> {
        Err(StoreError::new(StoreErrorKind::Full, "start a purchase"))
    }

    async fn find(&self, _: &OrderId) -> Result<PurchaseStatus, StoreError> {
        Ok(PurchaseStatus::default())
    }

    async fn release(&self, _: &OrderId, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn prune(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[tokio::test]
async fn a_widget_that_is_not_written_down_is_not_given_out() {
    let provider = FakeProvider::start().await;
    let kriptomat = kriptomat(&provider).build().unwrap();
    let error = kriptomat.start(&request(), &FullStore).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient(), error.is_unsent()), (ClientErrorKind::NotStored, true, false));
    assert_eq!(error.source().unwrap().to_string(), "start a purchase: the store is full");

    let nameless = json!({ "status": "true", "data": { "url": "https://widget.kriptomat.io/?amount=35" } });
    provider.answer_next(Answer::json(200, &nameless));
    let purchases: Arc<dyn PurchaseStore> = Arc::new(MemoryPurchaseStore::new());
    let error = kriptomat.start(&request(), &*purchases).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Unreadable, "{error}");
}

struct Shop;

#[async_trait]
impl Handler for Shop {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test]
async fn the_postback_of_a_widget_that_was_started_is_handled_and_a_forged_one_is_not() {
    let provider = FakeProvider::start().await;
    let purchases = Arc::new(MemoryPurchaseStore::new());
    let uuid = kriptomat(&provider).build().unwrap().start(&request(), &purchases).await.unwrap().uuid.unwrap();

    let receiver =
        Receiver::builder(MemoryInbox::new()).endpoint(Kriptomat::with_path_secret("s3cret-for-examples")).build().unwrap();
    let worker = receiver.worker(Shop).before(KnownPurchases::new(purchases)).spawn();
    let paid =
        Postback::new().with("uuid", uuid.as_str()).with("fiat_amount", "35").with("to_address", ADDRESS.to_ascii_lowercase());
    for postback in [&paid, &Postback::new()] {
        let request = Request::new("POST", "/kriptomat/s3cret-for-examples", None, &[]);
        assert_eq!(receiver.receive(&request, Full::new(postback.json())).await.status(), 200);
    }
    worker.idle().await;
    let counts = receiver.inbox().counts().await.unwrap();
    assert_eq!((counts.of(State::Handled), counts.of(State::Dead)), (1, 1));
    worker.shutdown().await;
}

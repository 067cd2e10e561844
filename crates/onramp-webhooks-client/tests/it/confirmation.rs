//! Confirmation of purchases before they are handled: through a receiver, a worker and real sockets.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{Clock as _, ManualClock};
use onramp_webhooks::event::CompletedPurchase;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Filter, Inbox, MemoryInbox, Record, ReplayScope, State, replay};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::worker::{Worker, WorkerBuilder};
use onramp_webhooks::{Delivery, Endpoint, Handler, HandlerError, Kriptomat, Receiver, Wert};
use onramp_webhooks_client::WertDataApi;
use onramp_webhooks_client::wert::{Confirmation, EndpointError};
use onramp_webhooks_testkit::events::{Postback, WertOrder, wert_account, wert_test};
use onramp_webhooks_testkit::provider::{Answer, FakeProvider, Lie, Seen};

use super::tools::{NOW, until, wert};

/// A handler that remembers how often it saw each delivery.
#[derive(Clone, Default)]
struct Remembering(Arc<Mutex<BTreeMap<DeliveryId, usize>>>);

#[async_trait]
impl Handler for Remembering {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        *self.0.lock().unwrap().entry(delivery.id()).or_default() += 1;
        Ok(())
    }
}

struct Shop {
    provider: FakeProvider,
    receiver: Receiver,
    clock: ManualClock,
    handled: Remembering,
}

impl Shop {
    async fn open() -> Self {
        let clock = ManualClock::at(NOW);
        let sandbox: Endpoint = Wert::with_path_secret("s3cret-for-examples").named("sandbox");
        let receiver = Receiver::builder(MemoryInbox::new())
            .endpoint(Wert::with_path_secret("s3cret-for-examples"))
            .endpoint(sandbox)
            .endpoint(Kriptomat::with_path_secret("s3cret-for-examples"))
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        Self { provider: FakeProvider::start().await, receiver, clock, handled: Remembering::default() }
    }

    fn confirmation(&self) -> Confirmation {
        Confirmation::new(wert(&self.provider).clock(Arc::new(self.clock.clone())).build().unwrap())
    }

    /// A worker that confirms, and handles 45 at the same time.
    fn work(&self) -> Worker {
        self.work_with(|worker| worker.before(self.confirmation()))
    }

    fn work_with(&self, change: impl FnOnce(WorkerBuilder) -> WorkerBuilder) -> Worker {
        change(self.receiver.worker(self.handled.clone()).concurrency(45)).spawn()
    }

    async fn post_to(&self, path: &str, body: Bytes) {
        assert_eq!(self.receiver.receive(&Request::new("POST", path, None, &[]), Full::new(body)).await.status(), 200);
    }

    async fn post(&self, order: &WertOrder) {
        self.post_to("/wert/s3cret-for-examples", order.complete()).await;
    }

    async fn kept(&self) -> Vec<Record> {
        self.receiver.inbox().list(Filter::all().limit(1_000)).await.unwrap().records
    }

    async fn in_state(&self, state: State) -> Vec<Record> {
        self.kept().await.into_iter().filter(|record| record.state == state).collect()
    }

    async fn only(&self) -> Record {
        let [record] = <[Record; 1]>::try_from(self.kept().await).unwrap();
        record
    }

    /// Posts a purchase that the provider confirms.
    async fn post_paid(&self) -> WertOrder {
        let order = WertOrder::new();
        self.provider.add_order(&order, "success");
        self.post(&order).await;
        order
    }

    async fn counts<const N: usize>(&self, states: [State; N]) -> [u64; N] {
        let counts = self.receiver.inbox().counts().await.unwrap();
        states.map(|state| counts.of(state))
    }

    /// Waits until so many stand there, and everything else rests.
    async fn comes_to(&self, state: State, number: u64) {
        let states = [state, State::Leased, State::Pending];
        until(&format!("{number} are {state}"), || async { self.counts(states).await == [number, 0, 0] }).await;
    }

    /// Lets time pass, and waits until what fell due is parked or dead again, by which time it has a due time in the future or none.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.rests().await;
    }

    /// Waits until nothing is due or being handled.
    async fn rests(&self) {
        let now = self.clock.now();
        let due = |record: &Record| {
            record.due_at.is_some_and(|due| due <= now) || matches!(record.state, State::Leased | State::Pending)
        };
        until("nothing is due", || async { !self.kept().await.iter().any(due) }).await;
    }

    fn handled(&self) -> BTreeMap<DeliveryId, usize> {
        self.handled.0.lock().unwrap().clone()
    }

    fn asked(&self) -> usize {
        self.provider.requests().len()
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_purchase_is_handled_when_wert_confirms_it() {
    let shop = Shop::open().await;
    shop.post_paid().await;
    let worker = shop.work();
    shop.comes_to(State::Handled, 1).await;
    assert_eq!((shop.handled().len(), shop.asked()), (1, 1));
    worker.shutdown().await;
}

#[tokio::test]
async fn what_is_no_purchase_of_wert_passes_without_a_question() {
    let shop = Shop::open().await;
    shop.provider.answer_always(Answer::never());
    let _worker = shop.work();
    let order = WertOrder::new();
    for body in [order.payment_started(), order.transfer_started(), order.failed(), wert_account("login", "c"), wert_test()] {
        shop.post_to("/wert/s3cret-for-examples", body).await;
    }
    shop.post_to("/kriptomat/s3cret-for-examples", Postback::new().json()).await;
    shop.comes_to(State::Handled, 6).await;
    assert_eq!(shop.asked(), 0);
}

#[tokio::test]
async fn each_endpoint_has_the_api_of_its_own_account() {
    let shop = Shop::open().await;
    let other = FakeProvider::start().await;
    let api = |provider: &FakeProvider| wert(provider).clock(Arc::new(shop.clock.clone())).build().unwrap();
    let confirmation = Confirmation::for_receiver(&shop.receiver)
        .endpoint("wert", api(&shop.provider))
        .endpoint("sandbox", api(&other))
        .build()
        .unwrap();
    let order = shop.post_paid().await;
    shop.post_to("/sandbox/s3cret-for-examples", order.complete()).await;
    let _worker = shop.work_with(|worker| worker.before(confirmation));
    shop.rests().await;
    assert_eq!((shop.counts([State::Handled, State::Parked]).await, shop.asked(), other.requests().len()), ([1, 1], 1, 1));
    other.add_order(&order, "success");
    shop.pass(Duration::from_secs(5)).await;
    shop.comes_to(State::Handled, 2).await;
}

/// Otherwise one order at two endpoints would be paid twice.
#[tokio::test]
async fn an_endpoint_without_an_api_confirms_nothing_and_loses_nothing() {
    let shop = Shop::open().await;
    let order = shop.post_paid().await;
    shop.post_to("/sandbox/s3cret-for-examples", order.complete()).await;
    shop.post_to("/sandbox/s3cret-for-examples", wert_account("login", "c")).await;
    let _worker = shop.work();
    shop.rests().await;
    assert_eq!((shop.counts([State::Handled, State::Parked]).await, shop.asked()), ([2, 1], 1));
    let [parked] = <[Record; 1]>::try_from(shop.in_state(State::Parked).await).unwrap();
    assert_eq!((parked.endpoint.as_ref(), parked.attempts), ("sandbox", 0));
    assert_eq!(parked.note.as_deref(), Some(r#"no API confirms the purchases of the endpoint "sandbox""#));
}

#[tokio::test]
async fn endpoints_that_are_not_those_of_the_receiver_are_refused() {
    let shop = Shop::open().await;
    let api = |key: &str| WertDataApi::at(shop.provider.url(), key).build().unwrap();
    let build = |endpoints: &[(&str, &str)]| {
        let builder = Confirmation::for_receiver(&shop.receiver);
        endpoints.iter().fold(builder, |builder, (name, key)| builder.endpoint(*name, api(key))).build()
    };
    let all = [("wert", "key-1"), ("sandbox", "key-2")];
    assert!(build(&all).is_ok());
    let name = |name: &str| name.to_owned();
    for (endpoints, error) in [
        (&[][..], EndpointError::WithoutApi(name("sandbox"))),
        (&all[..1], EndpointError::WithoutApi(name("sandbox"))),
        (&[all[0], all[1], ("typo", "key-3")], EndpointError::Unknown(name("typo"))),
        (&[all[0], ("Sandbox", "key-2")], EndpointError::Unknown(name("Sandbox"))),
        (&[all[0], all[1], ("kriptomat", "key-3")], EndpointError::NotWert(name("kriptomat"))),
        (&[all[0], all[1], ("wert", "key-3")], EndpointError::TwoApis(name("wert"))),
        (&[all[0], ("sandbox", "key-1")], EndpointError::SameAccount(name("wert"), name("sandbox"))),
    ] {
        assert_eq!(build(endpoints).unwrap_err(), error);
    }
}

/// A check that lets only marked events pass.
struct InSandbox;

#[async_trait]
impl Handler for InSandbox {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        delivery.is_sandbox().then_some(()).ok_or_else(|| HandlerError::permanent("not marked"))
    }
}

#[tokio::test]
async fn events_of_the_sandbox_are_marked_and_no_others() {
    let shop = Shop::open().await;
    let sandbox = FakeProvider::start().await;
    let (order, test) = (WertOrder::new(), WertOrder::new());
    shop.provider.add_order(&order, "success");
    sandbox.add_order(&test, "success");
    for (path, order) in [("/wert/s3cret-for-examples", &order), ("/sandbox/s3cret-for-examples", &test)] {
        shop.post_to(path, order.complete()).await;
        shop.post_to(path, order.payment_started()).await;
    }
    let confirmation = Confirmation::for_receiver(&shop.receiver)
        .endpoint("wert", wert(&shop.provider).build().unwrap())
        .endpoint("sandbox", wert(&sandbox).build().unwrap().as_sandbox())
        .build()
        .unwrap();
    let _worker = shop.work_with(|worker| worker.before(confirmation.allow_sandbox()).before(InSandbox));
    shop.rests().await;
    assert_eq!(shop.counts([State::Handled, State::Dead]).await, [2, 2]);
    assert!(shop.in_state(State::Handled).await.iter().all(|record| &*record.endpoint == "sandbox"));
}

#[tokio::test]
async fn an_unclear_purchase_is_confirmed_in_the_currency_that_the_endpoint_states() {
    for (stated, state) in [(None, State::Dead), (Some("EUR"), State::Dead), (Some("USD"), State::Handled)] {
        let (provider, order) = (FakeProvider::start().await, WertOrder::new().crypto("104.2", "MNT").fiat("120.00", "USD"));
        provider.add_row(serde_json::json!({
            "order_id": order.id(), "click_id": "shop-20418", "status": "success", "currency": "usd", "currency_amount": 120,
            "crypto": "mnt", "crypto_amount": "104.2",
        }));
        let endpoint = stated.into_iter().fold(Wert::without_path_secret(), Endpoint::fiat_currency);
        let receiver = Receiver::builder(MemoryInbox::new()).endpoint(endpoint).build().unwrap();
        receiver.receive(&Request::new("POST", "/wert", None, &[]), Full::new(order.complete())).await;
        let confirmation = Confirmation::new(wert(&provider).build().unwrap());
        let worker = receiver.worker(Remembering::default()).before(confirmation).spawn();
        worker.idle().await;
        assert_eq!(receiver.inbox().counts().await.unwrap().of(state), 1, "{stated:?}");
    }
}

#[tokio::test]
async fn a_purchase_of_the_sandbox_reaches_only_a_handler_that_asked_for_it() {
    for (allowed, state) in [(false, State::Dead), (true, State::Handled)] {
        let shop = Shop::open().await;
        shop.post_paid().await;
        shop.post_to("/wert/s3cret-for-examples", wert_account("login", "c")).await;
        let api = wert(&shop.provider).clock(Arc::new(shop.clock.clone())).build().unwrap().as_sandbox();
        let confirmation = Confirmation::new(api);
        let confirmation = if allowed { confirmation.allow_sandbox() } else { confirmation };
        let _worker = shop.work_with(|worker| worker.before(confirmation).before(InSandbox));
        shop.rests().await;
        let [purchase] = <[Record; 1]>::try_from(
            shop.kept()
                .await
                .into_iter()
                .filter(|record| record.event_type.as_deref() == Some("order_complete"))
                .collect::<Vec<_>>(),
        )
        .unwrap();
        assert_eq!((purchase.state, shop.handled().contains_key(&purchase.id)), (state, allowed));
    }
    assert!(WertDataApi::sandbox("key").build().unwrap().is_sandbox());
    assert!(!WertDataApi::production("key").build().unwrap().is_sandbox());
}

#[tokio::test]
async fn a_contradiction_is_a_dead_letter_that_names_no_person() {
    let order = || WertOrder::new().click_id("victim").with("address", "bc1qsecret");
    let row = |order: &WertOrder, address: &str| {
        serde_json::json!({
            "order_id": order.id(), "click_id": "victim", "status": "success", "currency": "usd", "currency_amount": 250,
            "crypto": "btc", "crypto_amount": "0.00391274", "address": address,
        })
    };
    type Tell = fn(&FakeProvider, &WertOrder, serde_json::Value);
    let cases: [(Tell, &str); 4] = [
        (|provider, order, _| provider.add_order(order, "failed"), r#"the status is "failed""#),
        (
            |provider, order, _| provider.add_order(&order.clone().fiat("2.50", "USD"), "success"),
            "paid 250.00 USD in the event, 2.5 usd at the provider",
        ),
        (|provider, order, _| provider.add_order(&order.clone().click_id("thief"), "success"), "the customer differs"),
        (|provider, _, row| provider.add_row(row), "the wallet differs"),
    ];
    for (tell, differs) in cases {
        let (shop, order) = (Shop::open().await, order());
        tell(&shop.provider, &order, row(&order, "bc1qother"));
        shop.post(&order).await;
        let _worker = shop.work();
        shop.comes_to(State::Dead, 1).await;
        let note = shop.only().await.note.unwrap();
        assert_eq!(note, format!("Wert has not confirmed this event: contradicted: {differs}"));
        assert!(!note.contains("victim") && !note.contains("secret"));
        assert_eq!(shop.handled(), BTreeMap::new());
    }
}

#[tokio::test]
async fn codes_match_exactly_in_wert_s_internal_form_or_by_an_alias() {
    for (event, row, state) in [
        ("MATIC", "matic.sc.polygon", State::Handled),
        ("POL", "MATIC", State::Handled),
        ("TRX", "tron", State::Handled),
        ("ETH", "ETHW", State::Dead),
        ("USDC", "USDC.e", State::Dead),
        ("B", "btc", State::Dead),
    ] {
        let (shop, order) = (Shop::open().await, WertOrder::new());
        shop.provider.add_order(&order.clone().crypto("0.00391274", row), "success");
        shop.post(&order.crypto("0.00391274", event)).await;
        let _worker = shop.work_with(|worker| worker.before(shop.confirmation().alias("TRX", "TRON")));
        shop.comes_to(state, 1).await;
    }
}

#[tokio::test]
async fn a_row_that_is_not_final_parks_whatever_its_other_fields_are() {
    let shop = Shop::open().await;
    let rows = [
        serde_json::json!({"status": "pending", "currency_amount": null, "crypto_amount": null}),
        serde_json::json!({"status": "progress", "currency_amount": 0, "crypto_amount": 0, "currency": "usd", "crypto": "btc"}),
        serde_json::json!({"status": null, "click_id": null}),
        serde_json::json!({"status": "created", "click_id": "somebody-else", "currency_amount": 1, "currency": "eur"}),
    ];
    let orders = rows.map(|mut row| {
        let order = WertOrder::new();
        row["order_id"] = order.id().into();
        shop.provider.add_row(row);
        order
    });
    for order in &orders {
        shop.post(order).await;
    }
    let _worker = shop.work();
    shop.comes_to(State::Parked, 4).await;
    shop.provider.forget_orders();
    orders.iter().for_each(|order| shop.provider.add_order(order, "success"));
    shop.pass(HOUR).await;
    shop.comes_to(State::Handled, 4).await;
}

#[tokio::test]
async fn a_row_with_fewer_digits_confirms_and_another_amount_does_not() {
    for (crypto, fiat, state) in [
        ("0.0039127", "250.00", State::Handled),
        ("0.003913", "250", State::Handled),
        ("0.003912", "250.00", State::Dead),
        ("0.003912741", "250.00", State::Dead),
        ("0.00391274", "250.01", State::Dead),
        ("0.00391274", "0", State::Dead),
    ] {
        let (shop, order) = (Shop::open().await, WertOrder::new());
        shop.provider.add_order(&order.clone().crypto(crypto, "BTC").fiat(fiat, "USD"), "success");
        shop.post(&order).await;
        let _worker = shop.work();
        shop.comes_to(state, 1).await;
    }
}

/// The Data API documents neither the address nor the transaction, so nothing contradicts forged ones.
#[tokio::test]
async fn a_field_that_the_row_does_not_have_is_not_confirmed() {
    let row = |order: &WertOrder| {
        serde_json::json!({
            "order_id": order.id(), "click_id": "shop-20418", "status": "success", "currency": "usd", "currency_amount": 250,
            "crypto": "btc", "crypto_amount": "0.00391274",
        })
    };
    for (field, value, state) in [
        ("user_id", "U", State::Handled),
        ("address", "bc1qtrue", State::Dead),
        ("transaction_id", "0x1", State::Dead),
        ("click_id", "somebody-else", State::Dead),
        ("click_id", "", State::Dead),
    ] {
        let (shop, order) = (Shop::open().await, WertOrder::new().with("address", "bc1qforged"));
        let mut row = row(&order);
        row[field] = value.into();
        shop.provider.add_row(row);
        shop.post(&order).await;
        let _worker = shop.work();
        shop.comes_to(state, 1).await;
    }
}

/// A handler that keeps the purchases.
struct Keeping(Arc<Mutex<Vec<CompletedPurchase>>>);

#[async_trait]
impl Handler for Keeping {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.0.lock().unwrap().extend(delivery.completed_purchase()?);
        Ok(())
    }
}

/// The event only names the order.
#[tokio::test]
async fn the_handler_gets_the_purchase_as_wert_has_it() {
    for address in [None, Some("bc1qforged")] {
        let (shop, order) = (Shop::open().await, WertOrder::new().with("address", "bc1qforged"));
        shop.provider.add_row(serde_json::json!({
            "order_id": order.id(), "click_id": "shop-20418", "status": "success", "currency": "usd", "currency_amount": 250,
            "crypto": "btc", "crypto_amount": "0.0039127", "address": address,
        }));
        shop.post(&order).await;
        let kept = Arc::default();
        let _worker = shop.receiver.worker(Keeping(Arc::clone(&kept))).before(shop.confirmation()).spawn();
        shop.comes_to(State::Handled, 1).await;
        let purchase = kept.lock().unwrap().remove(0);
        assert_eq!((purchase.crypto.to_string(), purchase.fiat.to_string()), ("0.0039127 BTC".into(), "250.00 USD".into()));
        assert_eq!((purchase.order.as_ref().map(AsRef::as_ref), purchase.customer.primary()), (order.id(), Some("shop-20418")));
        assert_eq!((purchase.address.as_ref().map(AsRef::as_ref), purchase.transaction), (address, None));
    }
}

#[tokio::test]
async fn what_wert_does_not_know_yet_is_asked_about_again_and_handled() {
    let shop = Shop::open().await;
    let order = WertOrder::new();
    shop.post(&order).await;
    let _worker = shop.work();
    shop.comes_to(State::Parked, 1).await;
    let due = |record: &Record| record.due_at.unwrap().since(NOW).as_secs();
    assert_eq!(due(&shop.only().await), 5);
    shop.provider.add_order(&order, "pending");
    shop.pass(Duration::from_secs(5)).await;
    let record = shop.only().await;
    assert_eq!((record.state, record.attempts, shop.asked()), (State::Parked, 0, 2));
    assert_eq!(record.note.as_deref(), Some(r#"Wert has not confirmed this event yet: not final: the status is "pending""#));
    shop.provider.forget_orders();
    shop.provider.add_order(&order, "success");
    shop.pass(HOUR).await;
    shop.comes_to(State::Handled, 1).await;
    assert_eq!(shop.handled().into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_forged_order_is_given_up_and_a_replay_has_it_asked_about_again() {
    let shop = Shop::open().await;
    let order = WertOrder::new();
    shop.post(&order).await;
    let _worker = shop.work_with(|worker| worker.before(shop.confirmation().give_up_after(HOUR)));
    shop.comes_to(State::Parked, 1).await;
    shop.pass(HOUR - Duration::from_secs(1)).await;
    let record = shop.only().await;
    assert_eq!((record.state, record.due_at.unwrap().since(NOW)), (State::Parked, HOUR));
    shop.pass(Duration::from_secs(1)).await;
    shop.comes_to(State::Dead, 1).await;
    assert_eq!(shop.only().await.note.unwrap(), "Wert has not confirmed this event: unknown to the provider");
    let asked = shop.asked();
    // It was true after all.
    shop.provider.add_order(&order, "success");
    shop.post(&order).await;
    let record = shop.only().await;
    assert_eq!((record.duplicates, record.cause), (1, Some(DeadCause::RefusedByCheck)));
    let inbox = &**shop.receiver.inbox();
    replay(inbox, &Providers::default(), record.id, ReplayScope::Unhandled, shop.clock.now()).await.unwrap();
    shop.comes_to(State::Handled, 1).await;
    assert_eq!(shop.asked(), asked + 1, "a duplicate asks nothing");
}

#[tokio::test]
async fn forty_five_at_once_are_three_requests() {
    forty_five_at_once().await;
}

/// A runtime on which the asking task would go first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn forty_five_at_once_are_three_requests_on_another_runtime() {
    tokio::spawn(forty_five_at_once()).await.unwrap();
}

async fn forty_five_at_once() {
    let shop = Shop::open().await;
    for _ in 0..45 {
        shop.post_paid().await;
    }
    let _worker = shop.work();
    shop.comes_to(State::Handled, 45).await;
    assert_eq!((shop.handled().len(), shop.asked()), (45, 3));
}

#[tokio::test]
async fn an_outage_in_the_middle_costs_no_attempt_and_loses_nothing() {
    let shop = Shop::open().await;
    for _ in 0..45 {
        shop.post_paid().await;
    }
    shop.provider.answer_next(Answer::truth());
    shop.provider.answer_always(Answer::status(503));
    let _worker = shop.work();
    shop.comes_to(State::Parked, 25).await;
    // Each failure of a request about orders has another that asks about none.
    assert_eq!((shop.handled().len(), shop.asked()), (20, 3), "after a failure nobody is asked for a while");
    for day in 1..=3 {
        shop.pass(24 * HOUR).await;
        assert_eq!(shop.asked(), 3 + 2 * day);
    }
    let waiting = shop.in_state(State::Parked).await;
    assert!(waiting.len() == 25 && waiting.iter().all(|record| record.attempts == 0));
    assert!(waiting[0].note.as_ref().unwrap().contains("(status 503)"), "{:?}", waiting[0].note);
    shop.provider.answer_always(Answer::truth());
    shop.pass(HOUR).await;
    shop.comes_to(State::Handled, 21).await;
    // The first has found out that it is back.
    shop.pass(HOUR).await;
    shop.comes_to(State::Handled, 45).await;
    assert!(shop.handled().len() == 45 && shop.handled().values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_an_outage_too() {
    for status in [401, 403] {
        let shop = Shop::open().await;
        shop.provider.answer_always(Answer::status(status));
        shop.post_paid().await;
        let _worker = shop.work();
        shop.comes_to(State::Parked, 1).await;
        for _ in 0..50 {
            shop.pass(HOUR).await;
        }
        assert_eq!((shop.only().await.state, shop.only().await.attempts), (State::Parked, 0));
        shop.provider.answer_always(Answer::truth());
        shop.pass(HOUR).await;
        shop.comes_to(State::Handled, 1).await;
    }
}

#[tokio::test]
async fn wert_is_left_alone_as_long_as_it_wants() {
    let shop = Shop::open().await;
    shop.provider.answer_next(Answer::status(429).header("retry-after", "7200"));
    shop.post_paid().await;
    let _worker = shop.work();
    shop.comes_to(State::Parked, 1).await;
    assert_eq!(shop.only().await.due_at.unwrap().since(NOW), 2 * HOUR);
    // Another one that comes meanwhile does not ask, either.
    shop.clock.advance(HOUR);
    shop.post(&WertOrder::new()).await;
    shop.comes_to(State::Parked, 2).await;
    assert!(shop.kept().await.iter().all(|record| record.due_at.unwrap().since(NOW) == 2 * HOUR));
    assert_eq!(shop.asked(), 1);
    shop.pass(HOUR).await;
    shop.comes_to(State::Handled, 1).await;
    assert_eq!(shop.asked(), 2);
}

#[tokio::test]
async fn a_lie_about_another_order_confirms_nothing() {
    let shop = Shop::open().await;
    shop.provider.answer_always(Answer::lie(Lie::AnotherOrder));
    shop.post_paid().await;
    let _worker = shop.work();
    shop.comes_to(State::Parked, 1).await;
    assert_eq!((shop.only().await.attempts, shop.handled()), (0, BTreeMap::new()));
}

#[tokio::test]
async fn one_id_that_makes_wert_fail_stops_nobody_else() {
    for fault in [Answer::status(500), Answer::status(400), Answer::lie(Lie::AnotherOrder)] {
        let shop = Shop::open().await;
        let poison = WertOrder::new();
        shop.provider.answer_about(poison.id().unwrap(), fault);
        for number in 0..20 {
            match number {
                7 => shop.post(&poison).await,
                _ => drop(shop.post_paid().await),
            }
        }
        let _worker = shop.work();
        shop.comes_to(State::Handled, 19).await;
        assert!(shop.asked() <= 12, "{} requests", shop.asked());
        // Its pauses grow, and it never becomes a dead letter by itself.
        let mut pauses = Vec::new();
        for _ in 0..20 {
            let [parked] = <[_; 1]>::try_from(shop.in_state(State::Parked).await).unwrap();
            let pause = parked.due_at.unwrap().since(shop.clock.now());
            pauses.push(pause);
            shop.pass(pause).await;
        }
        assert!(
            pauses.is_sorted() && pauses[0] == Duration::from_secs(5) && pauses[19] == Duration::from_secs(600),
            "{pauses:?}"
        );
        shop.pass(25 * HOUR).await;
        assert_eq!(shop.counts([State::Parked, State::Dead]).await, [1, 0]);
    }
}

#[tokio::test]
async fn an_answer_of_no_use_to_all_is_not_pursued_for_ever() {
    let shop = Shop::open().await;
    for _ in 0..20 {
        shop.post_paid().await;
    }
    shop.provider.answer_next(Answer::lie(Lie::AnotherOrder));
    let worker = shop.work();
    shop.comes_to(State::Handled, 20).await;
    assert_eq!(shop.asked(), 3, "all, and both halves");
    worker.shutdown().await;

    let shop = Shop::open().await;
    for _ in 0..20 {
        shop.post(&WertOrder::new()).await;
    }
    shop.provider.answer_always(Answer::lie(Lie::AnotherOrder));
    let _worker = shop.work();
    shop.comes_to(State::Parked, 20).await;
    assert_eq!(shop.asked(), 11);
}

#[tokio::test]
async fn a_flood_of_forged_orders_gets_a_share_of_the_requests() {
    let shop = Shop::open().await;
    for _ in 0..60 {
        shop.post(&WertOrder::new()).await;
    }
    let _worker = shop.work();
    shop.comes_to(State::Parked, 60).await;
    assert_eq!(shop.asked(), 3, "all of them once");
    // All fall due at once, and a real one comes.
    shop.clock.advance(Duration::from_secs(5));
    shop.post_paid().await;
    shop.rests().await;
    assert_eq!(shop.counts([State::Handled, State::Parked]).await, [1, 60]);
    let terms = |seen: &Seen| seen.parameter("search_by").unwrap().split(',').count();
    let again: usize = shop.provider.requests()[3..].iter().map(terms).sum();
    assert_eq!(again, 20 + 1);
    let is_put_off = |record: &&Record| record.note.as_ref().unwrap().ends_with("too many others");
    assert_eq!(shop.in_state(State::Parked).await.iter().filter(is_put_off).count(), 40);
}

#[tokio::test]
async fn repeated_checks_leave_slots_to_others_while_wert_is_slow() {
    let shop = Shop::open().await;
    for _ in 0..60 {
        shop.post(&WertOrder::new()).await;
    }
    let _worker = shop.work();
    shop.comes_to(State::Parked, 60).await;
    shop.provider.answer_always(Answer::never());
    for _ in 0..3 {
        shop.clock.advance(Duration::from_secs(10));
        let now = shop.clock.now();
        let waits = |record: &Record| record.state == State::Parked && record.due_at.is_some_and(|due| due <= now);
        let is_shared = || async {
            let kept = shop.kept().await;
            let leased = kept.iter().filter(|record| record.state == State::Leased).count();
            leased == 20 && !kept.iter().any(waits)
        };
        until("twenty are asked about, and the others are put off", is_shared).await;
    }
}

#[tokio::test]
async fn an_order_that_wert_does_not_know_is_asked_about_ever_more_slowly() {
    let shop = Shop::open().await;
    shop.post(&WertOrder::new()).await;
    let _worker = shop.work();
    shop.comes_to(State::Parked, 1).await;
    let mut pauses = Vec::new();
    while let Some(due) = shop.only().await.due_at {
        pauses.push(due.since(shop.clock.now()));
        shop.pass(pauses[pauses.len() - 1]).await;
    }
    assert_eq!(shop.only().await.state, State::Dead);
    // The last pause ends when the order is given up.
    let (_, growing) = pauses.split_last().unwrap();
    assert!(growing.is_sorted() && growing.last() > Some(&(6 * HOUR)), "{growing:?}");
    assert_eq!(shop.asked(), pauses.len() + 1);
    assert!(shop.asked() <= 30);
}

#[tokio::test]
async fn a_real_order_that_is_late_is_found_among_a_flood() {
    let shop = Shop::open().await;
    for _ in 0..100 {
        shop.post(&WertOrder::new()).await;
    }
    let late = WertOrder::new();
    shop.post(&late).await;
    let _worker = shop.work();
    shop.comes_to(State::Parked, 101).await;
    shop.provider.add_order(&late, "success");
    let mut minutes = 0;
    while shop.handled().is_empty() {
        assert!(minutes < 200, "not found");
        shop.pass(Duration::from_secs(60)).await;
        minutes += 1;
    }
    let asked =
        shop.provider.requests().iter().map(|seen| seen.parameter("search_by").unwrap().split(',').count()).sum::<usize>();
    assert!(asked <= 101 + 20 * minutes, "{asked} in {minutes} minutes");
}

#[tokio::test]
async fn an_id_that_made_wert_fail_is_asked_about_alone() {
    let shop = Shop::open().await;
    let poison = WertOrder::new();
    shop.provider.answer_about(poison.id().unwrap(), Answer::status(500));
    shop.post(&poison).await;
    let _worker = shop.work();
    shop.comes_to(State::Parked, 1).await;
    let asked = shop.asked();
    shop.clock.advance(Duration::from_secs(5));
    for _ in 0..5 {
        shop.post_paid().await;
    }
    shop.rests().await;
    assert_eq!(shop.counts([State::Handled, State::Parked]).await, [5, 1]);
    let asked = shop.provider.requests().split_off(asked);
    let about_it: Vec<_> =
        asked.iter().filter_map(|seen| seen.parameter("search_by")).filter(|ids| ids.contains(poison.id().unwrap())).collect();
    assert_eq!(about_it, [poison.id().unwrap()]);
}

/// Each has a dedup key of its own, and is like the order in everything: confirmed, one order would be paid again and again.
#[tokio::test]
async fn a_true_order_confirms_no_event_that_does_not_name_it() {
    let shop = Shop::open().await;
    let order = WertOrder::new().click_id("thief").without("transaction_id");
    shop.provider.add_order(&order, "success");
    let nameless = order.clone().without("id");
    let forged = [nameless.clone(), nameless.clone().with("transaction_id", "0x1"), nameless.with("transaction_id", "0x2")];
    for event in std::iter::once(&order).chain(&forged) {
        shop.post_to("/wert/s3cret-for-examples", event.event("order_complete")).await;
    }
    let _worker = shop.work();
    shop.comes_to(State::Dead, 3).await;
    assert_eq!(shop.handled().len(), 1);
}

#[tokio::test]
async fn an_id_that_cannot_be_asked_about_harms_no_other() {
    let shop = Shop::open().await;
    shop.post_paid().await;
    let ids = ["a,b", " ", "\u{3000}", "01GMAP HCFE", "a.b", "a%2Cb", "a/b", "O'", "ä", "x\n"];
    for id in ids.map(ToOwned::to_owned).into_iter().chain(["x".repeat(65), "x".repeat(100_000)]) {
        shop.post(&WertOrder::new().with("id", id)).await;
    }
    shop.post(&WertOrder::new().without("id").click_id("a,b")).await;
    let nobody = WertOrder::new().without("id").click_id("").with("transaction_id", "0x1");
    shop.post_to("/wert/s3cret-for-examples", nobody.event("order_complete")).await;
    // Two national currencies: nobody can tell what was paid.
    shop.post(&WertOrder::new().crypto("1", "EUR")).await;
    let _worker = shop.work();
    shop.comes_to(State::Dead, 15).await;
    assert_eq!((shop.handled().len(), shop.asked()), (1, 1));
}

#[tokio::test]
async fn a_provider_that_hangs_parks_and_costs_no_attempt() {
    let shop = Shop::open().await;
    shop.provider.answer_always(Answer::never());
    shop.post(&WertOrder::new()).await;
    let patience = Duration::from_millis(50);
    let worker = shop.work_with(|worker| worker.before(shop.confirmation().timeout(patience)));
    shop.comes_to(State::Parked, 1).await;
    let record = shop.only().await;
    assert_eq!((record.attempts, record.note.as_deref()), (0, Some("Wert has not responded yet")));
    worker.shutdown().await;
}

#[tokio::test]
async fn a_provider_that_hangs_holds_up_nothing_else() {
    let shop = Shop::open().await;
    // To the request about the order, and to the one about none.
    shop.provider.answer_next(Answer::status(503));
    shop.provider.answer_next(Answer::status(503));
    shop.provider.answer_always(Answer::never());
    let _worker = shop.work_with(|worker| worker.before(shop.confirmation()).concurrency(4));
    shop.post(&WertOrder::new()).await;
    shop.comes_to(State::Parked, 1).await;
    shop.clock.advance(Duration::from_secs(5));
    until("the provider is asked again", || async { shop.asked() == 3 }).await;
    for _ in 0..20 {
        shop.post(&WertOrder::new()).await;
    }
    shop.post_to("/wert/s3cret-for-examples", wert_account("login", "c")).await;
    let states = [State::Handled, State::Parked, State::Leased];
    let begun = Instant::now();
    until("the worker goes on", || async { shop.counts(states).await == [1, 20, 1] }).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "the worker was held up");
    assert_eq!((shop.handled().len(), shop.asked()), (1, 3));
}

/// A check that gives up the one that it is around, for one customer.
struct Impatient(Confirmation);

#[async_trait]
impl Handler for Impatient {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let is_hasty = delivery.completed_purchase()?.unwrap().customer_id()? == "hasty";
        let patience = Duration::from_millis(if is_hasty { 30 } else { 30_000 });
        match tokio::time::timeout(patience, self.0.handle(delivery)).await {
            Ok(passed) => passed,
            Err(_) => pending().await,
        }
    }
}

#[tokio::test]
async fn an_attempt_that_is_dropped_disturbs_no_other() {
    let shop = Shop::open().await;
    shop.provider.answer_next(Answer::truth().after(Duration::from_millis(300)));
    shop.post_paid().await;
    shop.post(&WertOrder::new().click_id("hasty")).await;
    let _worker = shop.work_with(|worker| worker.before(Impatient(shop.confirmation())));
    until("one is handled", || async { !shop.handled().is_empty() }).await;
    assert_eq!((shop.handled().len(), shop.asked()), (1, 1));
}

#[tokio::test]
async fn the_task_that_asks_ends_with_its_confirmation() {
    let shop = Shop::open().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    shop.provider.answer_always(Answer::status(503));
    let before = tasks();
    shop.post(&WertOrder::new()).await;
    let worker = shop.work();
    shop.comes_to(State::Parked, 1).await;
    worker.shutdown().await;
    // The two ends of the idle connection remain.
    until("only the connection is left", || async { tasks() <= before + 2 }).await;
}

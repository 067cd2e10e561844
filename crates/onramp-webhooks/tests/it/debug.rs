//! `Debug` output shows no body, query, secret or customer. `cargo xtask tidy debug` finds the types whose output could, by their names here.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::adapter::{
    Full, Headers, KeyGuard, PageBody, PageRequest, PageResponse, Request, StoredBody, Unreadable, extract,
};
use onramp_webhooks::attention::{Attention, Item, attention};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{CompletedPurchase, CustomerReference, DecodeError, Extra, RawJson};
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{
    Claim, Idempotency, IdempotencyBuilder, IdempotencyKey, IdempotencyStore as _, KeyLease, KeyState, Keyed,
    MemoryIdempotencyStore, Rejoined, Scope,
};
use onramp_webhooks::identity::{DedupKey, Identity, OrderStage};
use onramp_webhooks::inbox::{
    ClaimRequest, ClaimedDelivery, Claims, DeadCause, Filter, HistoryEntry, Inbox as _, Lookup, MemoryInbox, NewDelivery, Page,
    Quarantine, Record, Settled, Settlement,
};
use onramp_webhooks::kriptomat::{AdditionalFields, KriptomatPostback};
use onramp_webhooks::masking::{Difference, Masked, differences, revealed};
use onramp_webhooks::provider::{Document, Endpoint, ProviderEvent, Providers};
use onramp_webhooks::purchases::{MemoryPurchaseStore, Purchase, PurchaseFields, PurchaseStore as _};
use onramp_webhooks::spill::{MemorySpill, SpillStore as _};
use onramp_webhooks::wert::{Order, PartnerData, WertPayload};
use onramp_webhooks::{Kriptomat, Receiver, Reply, Wert, WertEvent};
use serde_json::Value;

/// A text that stands for everything that must not be shown.
const HIDDEN: &str = "hidden-7c1f9e-b04d";

/// The fields of events that name a customer, or can.
const PERSONAL: [&str; 8] = ["click_id", "address", "to_address", "sc_id", "sc_input_data", "user_id", "id_of_customer", "email"];

#[track_caller]
fn shows_nothing<T: Debug + ?Sized>(value: &T) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!shown.contains(HIDDEN), "{}: {shown}", std::any::type_name::<T>());
    }
}

/// Hides the text of fields that name a customer, and adds a field that no model has.
fn mark(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in &mut *fields {
                if PERSONAL.contains(&name.as_str()) && (value.is_string() || value.is_null()) {
                    *value = HIDDEN.into();
                } else if name == "additional_fields" {
                    *value = serde_json::json!({ "customer": HIDDEN });
                } else {
                    mark(value);
                }
            }
            fields.insert("unheard_of".into(), HIDDEN.into());
        }
        Value::Array(values) => values.iter_mut().for_each(mark),
        _ => {}
    }
}

fn marked(body: &str) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(body).unwrap();
    mark(&mut value);
    let body = value.to_string();
    assert!(body.contains(HIDDEN));
    body.into_bytes()
}

macro_rules! fixtures {
    ($($file:literal)+) => {
        [$(include_str!(concat!("../../fixtures/", $file)),)+]
    };
}

#[test]
fn events_of_wert_show_no_customer() {
    let bodies = fixtures![
        "wert/card_added.json" "wert/login.json" "wert/order_complete.json" "wert/order_complete.no-id.json"
        "wert/order_complete.smart-contract.json" "wert/order_failed.json" "wert/registration.with-user.json" "wert/test.json"
        "wert/tx_smart_contract_failed.json" "wert/unknown_type.json" "wert/verify_failed.json" "wert/verify_success.json"
    ];
    for body in bodies {
        let event = WertEvent::read(&marked(body)).unwrap();
        shows_nothing(&event);
        shows_nothing::<WertPayload>(&event.payload);
        if let WertPayload::OrderComplete(order) | WertPayload::OrderFailed(order) = &event.payload {
            shows_nothing::<Order>(order);
            shows_nothing::<Option<PartnerData>>(&order.partner_data);
        }
        shows_nothing::<Identity>(&event.identity());
        if let Ok(Some(purchase)) = event.completed_purchase() {
            shows_nothing::<CompletedPurchase>(&purchase);
        }
    }
}

#[test]
fn events_of_kriptomat_show_no_customer() {
    for body in fixtures!["kriptomat/postback.object.json" "kriptomat/postback.array.json"] {
        let event = KriptomatPostback::read(&marked(body)).unwrap();
        shows_nothing(&event);
        shows_nothing::<AdditionalFields>(&event.additional_fields);
        let purchase = event.completed_purchase().unwrap().unwrap();
        shows_nothing::<CustomerReference>(&purchase.customer);
        shows_nothing(&purchase);
    }
}

#[test]
fn json_shows_its_size() {
    let json = RawJson::string(HIDDEN);
    shows_nothing(&json);
    let mut extra = Extra::default();
    extra.insert("name", json);
    shows_nothing(&extra);
    shows_nothing::<<Extra as IntoIterator>::IntoIter>(&extra.clone().into_iter());
}

fn delivery() -> NewDelivery {
    let mut new = NewDelivery::new("wert", "wert", Timestamp::from_millis(0), Bytes::from_static(HIDDEN.as_bytes()));
    new.key = Some(DedupKey::from_parts(HIDDEN.to_owned(), "order_complete".to_owned()));
    new.stage = Some(OrderStage::FINAL);
    new
}

#[tokio::test]
async fn deliveries_show_neither_body_nor_key() {
    let now = Timestamp::from_millis(1);
    let inbox = MemoryInbox::new();
    shows_nothing::<NewDelivery>(&delivery());
    shows_nothing::<DedupKey>(&delivery().key.unwrap());
    inbox.record(delivery()).await.unwrap();
    shows_nothing(&inbox);
    let page: Page = inbox.list(Filter::all()).await.unwrap();
    shows_nothing(&page);
    let id = page.records[0].id;
    shows_nothing::<Record>(&inbox.show(id).await.unwrap().unwrap());
    let claims: Claims = inbox.claim(now, ClaimRequest::new(1, Duration::from_secs(1))).await.unwrap();
    shows_nothing(&claims);
    let claimed: &ClaimedDelivery = &claims.deliveries[0];
    shows_nothing(claimed);
    shows_nothing(&inbox);
    let refused = Settled::Dead { cause: DeadCause::RefusedByHandler, error: "refused".into() };
    inbox.settle(now, vec![Settlement::new(claimed.lease, refused)]).await.unwrap();
    inbox.resolve(now, id, HIDDEN).await.unwrap();
    let history: Vec<HistoryEntry> = inbox.history(id).await.unwrap();
    shows_nothing::<HistoryEntry>(&history[1]);
    shows_nothing::<Record>(&inbox.show(id).await.unwrap().unwrap());
    shows_nothing(&inbox);
    let spill = MemorySpill::new();
    spill.append(delivery()).await.unwrap();
    shows_nothing(&spill);
}

#[tokio::test]
async fn problems_and_bodies_that_operators_see_show_nothing() {
    let inbox = MemoryInbox::new();
    let mut new = delivery();
    new.quarantine = Some(Quarantine::unreadable(HIDDEN));
    inbox.record(new).await.unwrap();
    let attention: Attention = attention(&inbox, &Providers::default(), Timestamp::from_millis(0)).await.unwrap();
    shows_nothing::<Item>(&attention.items[0]);
    shows_nothing(&attention);

    let body = serde_json::json!({ "a": HIDDEN }).to_string();
    let masked: Masked = revealed(body.as_bytes());
    assert!(masked.text().contains(HIDDEN));
    shows_nothing(&masked);
    let found: Vec<Difference> = differences(&Providers::default(), &"wert".into(), body.as_bytes(), b"{}", true).unwrap();
    assert_eq!(found.len(), 1);
    shows_nothing(&found);
}

#[tokio::test]
async fn purchases_show_no_customer() {
    let mut purchase = Purchase::new("order-1", Timestamp::from_millis(0)).to_address(HIDDEN);
    purchase.additional_fields = PurchaseFields::from_iter([("customer", HIDDEN)]);
    shows_nothing::<PurchaseFields>(&purchase.additional_fields);
    shows_nothing::<Purchase>(&purchase);
    let store = MemoryPurchaseStore::new();
    store.start(purchase).await.unwrap();
    shows_nothing(&store);
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let endpoint = || -> Endpoint { Wert::with_path_secret(HIDDEN) };
    shows_nothing::<Endpoint>(&endpoint());
    let builder = Receiver::builder(MemoryInbox::new()).endpoint(endpoint()).endpoint(Kriptomat::production());
    shows_nothing(&builder);
    let receiver = builder.build().unwrap();
    shows_nothing::<Receiver>(&receiver);
    let headers = [("authorization", HIDDEN), ("cookie", HIDDEN)];
    let path = format!("/wert/{HIDDEN}");
    shows_nothing::<Request<'_>>(&Request::new("POST", &path, None, &headers).with_query(Some(HIDDEN)));
}

#[tokio::test]
async fn idempotency_shows_neither_content_nor_users() {
    let scope = || Scope::user(|_| Some(HIDDEN.to_owned()));
    shows_nothing::<Scope>(&scope());
    let builder = Idempotency::by_header(MemoryIdempotencyStore::new(), scope());
    shows_nothing::<IdempotencyBuilder>(&builder);
    let idempotency = builder.reply_limit(20).build().unwrap();
    let quoted = format!("\"{HIDDEN}\"");
    let lines = [("idempotency-key", quoted.as_str()), ("location", HIDDEN)];
    let headers: &dyn Headers = &lines;
    let request = Request::new("POST", "/orders", None, headers).with_query(Some(HIDDEN));
    let keyed = || -> Keyed { idempotency.lookup(&request).unwrap() };
    shows_nothing(&keyed());
    shows_nothing::<Full>(&Full::new(HIDDEN));
    let claim: Claim = keyed().claim(Full::new(HIDDEN)).await;
    shows_nothing(&claim);
    let Claim::Run(_, guard) = claim else { panic!("it is new") };
    shows_nothing::<KeyGuard>(&guard);
    let stored = guard.store(200, headers, Full::new(HIDDEN)).await;
    shows_nothing::<StoredBody<_, _>>(&stored);
    assert!(matches!(stored, StoredBody::Whole(_)));
    let replay = keyed().claim(Full::new(HIDDEN)).await;
    shows_nothing(&replay);
    let Claim::Answer(reply) = replay else { panic!("it is done") };
    assert_eq!(reply.body(), HIDDEN);
    shows_nothing::<Reply>(&reply);
    shows_nothing(&idempotency);
    shows_nothing(&KeyState::Done { fingerprint: Fingerprint::of(b""), reply: HIDDEN.into() });

    let store = MemoryIdempotencyStore::new();
    let (now, later) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
    let lease = KeyLease { key: IdempotencyKey::of(&[HIDDEN.as_bytes()]), token: 1 };
    store.claim(now, lease, Fingerprint::of(b""), later).await.unwrap();
    assert!(store.complete(lease, HIDDEN.into(), later).await.unwrap());
    shows_nothing(&store);

    let other = [("idempotency-key", "other")];
    let request = Request::new("POST", "/orders", None, &other);
    let Claim::Run(_, guard) = idempotency.lookup(&request).unwrap().claim(Full::new("")).await else { panic!("it is new") };
    let StoredBody::Rejoined(large) = guard.store(200, &other, Full::new(HIDDEN.repeat(2))).await else { panic!("it is large") };
    shows_nothing::<Rejoined<_, _>>(&large);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_shown() {
    let none: [(&str, &str); 0] = [];
    let body = format!(r#"{{"uuid":"{HIDDEN}","amount":"{HIDDEN}"}}"#);
    let unreadable = extract::<Kriptomat, _, _>(&none, Full::new(body)).await.unwrap().unwrap_err();
    shows_nothing::<Unreadable>(&unreadable);
    shows_nothing(&Document::new(HIDDEN.as_bytes()));
    shows_nothing::<DecodeError>(&KriptomatPostback::read(format!("{{{HIDDEN}").as_bytes()).unwrap_err());
    shows_nothing(&WertEvent::read(format!(r#"{{"type":"{HIDDEN}""#).as_bytes()).unwrap_err());
}

#[test]
fn pages_show_neither_requests_nor_responses() {
    let headers = [("cookie", HIDDEN)];
    let head = Request::new("POST", HIDDEN, None, &headers).with_query(Some(HIDDEN));
    shows_nothing::<PageRequest>(&PageRequest::new(&head, HIDDEN));
    let response: PageResponse = PageResponse::new(200, HIDDEN).header("set-cookie", HIDDEN);
    shows_nothing(&response);
    shows_nothing::<PageBody>(&response.body);
}

#[test]
fn filters_show_no_identifiers() {
    let filters: [Filter; 4] = [
        Filter::all().about(HIDDEN),
        Filter::all().order(HIDDEN),
        Filter::all().error(HIDDEN),
        Filter::all().key(DedupKey::new("wert", "order", HIDDEN, "")),
    ];
    for filter in filters {
        shows_nothing(&filter);
        let lookup: Lookup<'_> = filter.lookup();
        shows_nothing(&lookup);
    }
}

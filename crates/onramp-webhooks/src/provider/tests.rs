//! Tests with the fixtures of all providers, intact and damaged.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::kriptomat::{Kriptomat, KriptomatPostback};
use super::wert::{Wert, WertEvent};
use super::{Decoder, Document, Event, LIST};
use crate::event::{Currency, DecodeError, DecodeErrorKind};
use crate::fingerprint::Fingerprint;

macro_rules! fixtures {
    ($($file:literal)+) => { [$(($file, include_str!(concat!("../../fixtures/", $file)))),+] };
}

const WERT: [(&str, &str); 21] = fixtures![
    "wert/card_added.json"
    "wert/login.json"
    "wert/logout.json"
    "wert/new_card_added.json"
    "wert/order_canceled.json"
    "wert/order_complete.json"
    "wert/order_complete.no-id.json"
    "wert/order_complete.smart-contract.json"
    "wert/order_failed.json"
    "wert/order_failed.smart-contract.json"
    "wert/payment_started.json"
    "wert/registration.json"
    "wert/registration.with-user.json"
    "wert/test.json"
    "wert/transfer_started.json"
    "wert/tx_smart_contract_failed.json"
    "wert/unknown_type.json"
    "wert/verify_failed.json"
    "wert/verify_retry.json"
    "wert/verify_start.json"
    "wert/verify_success.json"
];

const KRIPTOMAT: [(&str, &str); 4] = fixtures![
    "kriptomat/postback.array.json"
    "kriptomat/postback.bracket-keys.json"
    "kriptomat/postback.object.json"
    "kriptomat/postback.plain-keys.json"
];

const WERT_DECODER: Decoder = Decoder::of::<Wert>();
const KRIPTOMAT_DECODER: Decoder = Decoder::of::<Kriptomat>();

fn fixtures() -> impl Iterator<Item = (Decoder, &'static str, &'static str)> {
    let wert = WERT.into_iter().map(|(file, body)| (WERT_DECODER, file, body));
    wert.chain(KRIPTOMAT.into_iter().map(|(file, body)| (KRIPTOMAT_DECODER, file, body)))
}

fn decode(provider: Decoder, body: &str) -> Result<Event, DecodeError> {
    (provider.read)(&Document::new(body.as_bytes()))
}

fn written(event: &Event) -> String {
    let wert = event.get::<WertEvent>().map(|event| serde_json::to_string(event).unwrap());
    wert.unwrap_or_else(|| serde_json::to_string(event.get::<KriptomatPostback>().unwrap()).unwrap())
}

fn same(a: &Event, b: &Event) -> bool {
    (a.get::<WertEvent>(), a.get::<KriptomatPostback>()) == (b.get::<WertEvent>(), b.get::<KriptomatPostback>())
}

/// Checks that a decoded event is written back unchanged, and that other bodies are unreadable.
fn check(provider: Decoder, body: &str) -> Result<Event, DecodeError> {
    let decoded = decode(provider, body);
    match &decoded {
        Ok(event) => {
            let written = written(event);
            assert_eq!(Fingerprint::of(written.as_bytes()), Fingerprint::of(body.as_bytes()), "{body}\n{written}");
            assert!(same(&decode(provider, &written).unwrap(), event));
            let _ = event.completed_purchase();
        }
        Err(error) => assert!(!error.is_noise(), "{error}: {body}"),
    }
    decoded
}

/// Collects a JSON pointer to every value in `value`.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| pointers(value, &format!("{at}/{name}"), all)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), all));
        }
        _ => {}
    }
}

/// Returns a JSON pointer to every value of every fixture, with the fixture.
fn every_value() -> Vec<(Decoder, Value, String)> {
    let mut all = Vec::new();
    for (provider, _, body) in fixtures() {
        let value: Value = serde_json::from_str(body).unwrap();
        let mut found = Vec::new();
        pointers(&value, "", &mut found);
        all.extend(found.into_iter().map(|pointer| (provider, value.clone(), pointer)));
    }
    all
}

fn replaced(body: &Value, pointer: &str, with: Value) -> Value {
    let mut body = body.clone();
    *body.pointer_mut(pointer).unwrap() = with;
    body
}

/// Replaces the text of one value by `text`, which may be anything that `Value` cannot hold.
fn spliced(body: &Value, pointer: &str, text: &str) -> String {
    replaced(body, pointer, json!("@HERE@")).to_string().replace("\"@HERE@\"", text)
}

fn removed(body: &Value, pointer: &str) -> Option<Value> {
    let mut body = body.clone();
    let (parent, name) = pointer.rsplit_once('/')?;
    body.pointer_mut(parent)?.as_object_mut()?.remove(name)?;
    Some(body)
}

#[test]
fn every_fixture_is_read_and_written_back() {
    for (provider, file, body) in fixtures() {
        let event = check(provider, body).unwrap();
        let named = file.split(['/', '.']).nth(1).unwrap();
        assert!(event.type_name() == named || named == "unknown_type", "{file}");
        assert_eq!(event.type_label() == "unknown", named == "unknown_type");
        assert_eq!(event.provider(), provider.facts.name());
    }
}

#[test]
fn models_have_every_known_field() {
    for (provider, file, body) in fixtures().filter(|(_, file, _)| !file.contains("unknown") && !file.contains("test")) {
        let named = |event: &Event| match event.get::<WertEvent>() {
            Some(event) => event.extra.len() + event.payload.order().map_or(0, |order| order.extra.len()),
            None => event.get::<KriptomatPostback>().unwrap().extra.len(),
        };
        let absent = body.matches("null").count() + body.matches("\"transaction_id\": \"\"").count();
        assert_eq!(named(&decode(provider, body).unwrap()), absent, "{file}");
    }
}

#[test]
fn every_missing_null_empty_or_wrong_value_is_read_without_loss_or_is_unreadable() {
    let replacements = [
        json!(null),
        json!(""),
        json!("0.10"),
        json!("tögrög\u{0}\"\\"),
        json!(7),
        json!(0.5),
        json!(-1),
        json!(true),
        json!([]),
        json!([1, {"a": ""}]),
        json!({}),
        json!({"state": "", "id": null, "sc_id": 5}),
    ];
    for (provider, body, pointer) in every_value().into_iter().filter(|(_, _, pointer)| !pointer.is_empty()) {
        for replacement in &replacements {
            let _ = check(provider, &replaced(&body, &pointer, replacement.clone()).to_string());
        }
        if let Some(body) = removed(&body, &pointer) {
            let _ = check(provider, &body.to_string());
        }
    }
}

#[test]
fn only_a_completed_order_needs_amounts() {
    let all =
        ["payment_started", "transfer_started", "order_failed", "order_canceled", "tx_smart_contract_failed", "verify_success"];
    for (name, pointer) in ["base", "base_amount", "quote", "quote_amount"].map(|name| (name, format!("/order/{name}"))) {
        for event in all.iter().copied().chain(["order_complete"]) {
            let order = json!({"id": "O", "base": "BTC", "base_amount": "1", "quote": "USD", "quote_amount": "2"});
            let whole = json!({"type": event, "click_id": "c", "order": order});
            let without = [
                removed(&whole, &pointer).unwrap(),
                replaced(&whole, &pointer, json!(null)),
                replaced(&whole, &pointer, json!("")),
            ];
            for body in without {
                let error = check(WERT_DECODER, &body.to_string()).err().map(|error| error.to_string());
                let expected = (event == "order_complete").then(|| format!("order.{name}: missing"));
                assert_eq!(error, expected, "{body}");
            }
        }
    }
}

#[test]
fn every_object_may_have_more_members_and_none_twice() {
    for (provider, body, pointer) in every_value() {
        let Some(members) = body.pointer(&pointer).and_then(Value::as_object) else { continue };
        let inside = Value::from(members.clone()).to_string();
        let inside = inside.trim_start_matches('{');
        let more = r#""more": [1.10, {"k": 1, "k": 12345678901234567890.5e-3}], "": "\ud800", "nothing": null, "#;
        check(provider, &spliced(&body, &pointer, &format!("{{{more}{inside}"))).unwrap();

        let opaque = body["type"] == "test" || body["type"] == "order_refunded" || pointer.ends_with("partner_data");
        let twice = check(provider, &spliced(&body, &pointer, &format!(r#"{{"k": 1, "k": 1, {inside}"#)));
        assert_eq!(twice.is_ok(), opaque && !pointer.is_empty(), "{body} {pointer}");
    }
}

#[test]
fn every_amount_may_be_a_string_or_a_number_of_any_length() {
    for (provider, body, pointer) in every_value().into_iter().filter(|(_, _, pointer)| pointer.ends_with("amount")) {
        for digits in [
            "0.000000000000000001",
            "1234567890123456.123456789012345678",
            "589589589589589.589589589589589589",
            "999999999999999999999999999999",
            "1.0",
            "1e-18",
        ] {
            for written in [digits.to_owned(), format!("\"{digits}\"")] {
                check(provider, &spliced(&body, &pointer, &written)).unwrap();
            }
        }
        let read = |digits: &str| decode(provider, &spliced(&body, &pointer, digits));
        let money = body["type"] != "test" && body["type"] != "order_refunded";
        for refused in ["-1", "\"-1\"", "\"1,5\"", "\" 1\"", "1e999999999", "\"NaN\"", "true", "[1]"] {
            assert_eq!(read(refused).is_err(), money, "{pointer} {refused}");
        }
    }
}

#[test]
fn a_cut_body_is_not_json() {
    for (provider, _, body) in fixtures() {
        let body = body.trim_ascii_end();
        for end in 0..body.len() {
            let error = decode(provider, &body[..end]).unwrap_err();
            assert_eq!(error.kind(), DecodeErrorKind::NotJson);
        }
    }
}

#[test]
fn noise_and_unreadable_objects_are_different_kinds() {
    let deep = "[".repeat(100_000);
    let closed = format!("{deep}{}", "]".repeat(100_000));
    for provider in LIST {
        let kind = |body: &[u8]| (provider.read)(&Document::new(body)).unwrap_err().kind();
        for body in ["", " ", "\u{feff}", "{", "nul", "{]", "{'a':1}", "{\"a\":01}", "uuid", "=", &deep] {
            assert_eq!(kind(body.as_bytes()), DecodeErrorKind::NotJson, "{body:.40}");
        }
        for body in ["null", "[]", "5", "\"uuid=1\"", "[{\"type\":\"login\"}]", &closed] {
            assert_eq!(kind(body.as_bytes()), DecodeErrorKind::NotAnObject, "{body:.40}");
        }
        for body in ["{}", "{\"type\":5}", "{\"type\":null}", "{\"type\":\"\"}", "{\"type\":\"\\ud800\"}", "{\"uuid\":{}}"] {
            assert_eq!(kind(body.as_bytes()), DecodeErrorKind::Unreadable, "{body:.40}");
        }
        assert_eq!(kind(b"{\"type\":\"\xff\"}"), DecodeErrorKind::NotJson);
        assert_eq!(kind(&vec![0; 2 << 20]), DecodeErrorKind::NotJson);
        assert_eq!(kind(&vec![b'{'; 2 << 20]), DecodeErrorKind::NotJson);
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    for (provider, _, body) in fixtures() {
        assert!(same(&decode(provider, &format!("\u{feff}{body}")).unwrap(), &decode(provider, body).unwrap()));
    }
}

#[test]
fn large_and_deep_bodies_are_read() {
    let nested = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    for (provider, _, body) in fixtures().filter(|(_, file, _)| file.contains("order_complete.json") || file.contains("array")) {
        let members = body.trim_ascii_start().trim_start_matches('{');
        for value in [nested("[", "]", 100_000), nested("{\"a\":", "}", 100_000), format!("\"{}\"", "x".repeat(2 << 20))] {
            let event = decode(provider, &format!("{{\"more\":{value},{members}")).unwrap();
            assert!(written(&event).contains(&value));
        }
    }
    let order = r#"{"base":"BTC","base_amount":"1","quote":"USD","quote_amount":"1","fallback_order":"#;
    let event = format!(r#"{{"type":"order_complete","order":{}}}"#, nested(order, "}", 10_000).replace("1}", "null}"));
    check(WERT_DECODER, &event).map(drop).unwrap();
}

#[test]
fn errors_never_quote_values() {
    for (provider, body, pointer) in every_value() {
        if body.pointer(&pointer).is_some_and(|value| !value.is_object()) {
            for secret in ["[\"SECRET\"]", "{\"x\":\"SECRET\"}", "\"SECRET\"", "SECRET"] {
                let error = decode(provider, &spliced(&body, &pointer, secret)).err();
                assert!(!error.is_some_and(|error| format!("{error}{error:?}").contains("SECRET")), "{pointer}");
            }
        }
    }
}

#[test]
fn only_completed_events_are_purchases() {
    let purchase = |provider, body: &str| decode(provider, body).unwrap().completed_purchase().unwrap();
    for (provider, file, body) in fixtures() {
        assert_eq!(purchase(provider, body).is_some(), file.contains("order_complete") || file.contains("postback"), "{file}");
    }
    let summary = |file: &str| {
        let (provider, _, body) = fixtures().find(|(_, name, _)| *name == file).unwrap();
        let purchase = purchase(provider, body).unwrap();
        format!("{} paid {} for {}", purchase.customer_id().unwrap(), purchase.fiat, purchase.crypto)
    };
    assert_eq!(summary("wert/order_complete.json"), "shop-20418 paid 250.00 USD for 0.00391274 BTC");
    assert_eq!(summary("wert/order_complete.no-id.json"), "shop-20418 paid 74.99 EUR for 331.408816725443210987 POL");
    assert_eq!(summary("wert/order_complete.smart-contract.json"), "shop-20418 paid 213.77 usd for 0.085 ETHSC");
    for spelling in ["array", "bracket-keys", "object", "plain-keys"] {
        assert_eq!(summary(&format!("kriptomat/postback.{spelling}.json")), "shop-20418 paid 180.40 EUR for 0.0625 eth");
    }
}

#[test]
fn the_paid_side_is_never_guessed() {
    let summary = |base: &str, quote: &str| {
        let order = json!({"base": base, "base_amount": "1", "quote": quote, "quote_amount": "2"});
        let event = json!({"type": "order_complete", "order": order}).to_string();
        let purchase = decode(WERT_DECODER, &event).unwrap().completed_purchase();
        purchase.map(|purchase| purchase.unwrap()).map(|purchase| format!("{} {}", purchase.fiat, purchase.crypto))
    };
    assert_eq!(summary("BTC", "USD").unwrap(), "2 USD 1 BTC");
    assert_eq!(summary("usd", "btc").unwrap(), "1 usd 2 btc");
    assert_eq!(summary("matic.sc.polygon", "eur").unwrap(), "2 eur 1 matic.sc.polygon");
    assert_eq!(summary("XAU", "eur").unwrap(), "2 eur 1 XAU");
    for (base, quote) in [("MNT", "usd"), ("EUR", "USD"), ("BTC", "ETH"), ("XXX", "XTS"), ("BTC", "matic.sc.polygon")] {
        let error = summary(base, quote).unwrap_err();
        assert_eq!((error.base().currency.as_str(), error.quote().currency.as_str()), (base, quote));
        assert!(error.to_string().contains(base) && error.to_string().contains(quote));
        assert!(error.to_string().contains("Endpoint::fiat_currency"), "the remedy: {error}");
    }
}

#[test]
fn an_unclear_purchase_is_paid_in_the_stated_currency() {
    let decided = |base: &str, quote: &str, stated: &[&str]| {
        let order = json!({"id": "O", "base": base, "base_amount": "1", "quote": quote, "quote_amount": "2", "address": "0x1"});
        let event = json!({"type": "order_complete", "click_id": "c", "order": order}).to_string();
        let stated: Vec<Currency> = stated.iter().map(|code| Currency::from(*code)).collect();
        let event = decode(WERT_DECODER, &event).unwrap();
        let money = event.money();
        let event = event.paid_in(stated.into());
        assert_eq!(event.money(), money, "duplicates are compared without statements");
        let purchase = event.completed_purchase().ok()?.unwrap();
        assert_eq!((purchase.customer_id(), purchase.order.as_ref().unwrap().as_str()), (Ok("c"), "O"));
        Some(format!("{} for {}", purchase.fiat, purchase.crypto))
    };
    for (base, quote, stated, expected) in [
        ("MNT", "USD", &["USD", "EUR"][..], Some("2 USD for 1 MNT")),
        ("usd", "mnt", &["USD"], Some("1 usd for 2 mnt")),
        ("BTC", "matic.sc.polygon", &["btc"], Some("1 BTC for 2 matic.sc.polygon")),
        ("EUR", "USD", &["EUR", "USD"], None),
        ("EUR", "USD", &["GBP"], None),
        ("EUR", "USD", &[], None),
        // Clear without a statement.
        ("BTC", "USD", &["BTC"], Some("2 USD for 1 BTC")),
    ] {
        assert_eq!(decided(base, quote, stated).as_deref(), expected, "{base} {quote} {stated:?}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let members = prop::collection::hash_map("[a-z_]{0,8}", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into())
        ]
    })
}

proptest! {
    #[test]
    fn an_unknown_type_takes_anything(name in "[a-z]{1,6}_[0-9]", click in any_json(), order in any_json(), more in any_json()) {
        let body = json!({"type": name, "click_id": click, "order": order, "hpp_session_id": more, "user": more, "payload": click});
        let event = check(WERT_DECODER, &body.to_string()).unwrap();
        prop_assert_eq!(event.type_name(), name);
        prop_assert_eq!(event.type_label(), "unknown");
        prop_assert_eq!(event.completed_purchase(), Ok(None));
    }

    #[test]
    fn any_value_anywhere_is_read_without_loss_or_is_unreadable(index: prop::sample::Index, value in any_json()) {
        let all = every_value();
        let (provider, body, pointer) = index.get(&all);
        let body = replaced(body, pointer, value);
        prop_assume!(body.is_object());
        let _ = check(*provider, &body.to_string());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        for provider in LIST {
            prop_assert!((provider.read)(&Document::new(&bytes)).is_err());
        }
    }
}

#[test]
fn debug_leaves_out_personal_data() {
    for (provider, file, body) in fixtures() {
        let shown = format!("{:?}", decode(provider, body).unwrap());
        let body: Value = serde_json::from_str(body).unwrap();
        let personal =
            ["/click_id", "/hpp_session_id", "/user/user_id", "/order/address", "/to_address", "/0", "/additional_fields[0]"];
        for value in personal.iter().filter_map(|pointer| body.pointer(pointer)?.as_str()) {
            assert!(!shown.contains(value), "{file} shows {value}: {shown}");
        }
    }
}

#[test]
fn a_body_full_of_additional_fields_is_unreadable() {
    let fields = |count: usize| vec!["0"; count].join(",");
    for (count, fits) in [(256, true), (257, false), (500_000, false)] {
        let body = format!(
            r#"{{"uuid":"u","amount":1,"asset_type":"eth","fiat_amount":"1","to_address":"0x1","additional_fields":[{}]}}"#,
            fields(count)
        );
        assert_eq!(decode(KRIPTOMAT_DECODER, &body).is_ok(), fits, "{count}");
    }
}

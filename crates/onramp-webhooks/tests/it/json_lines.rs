//! Deliveries as lines of JSON.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{DeadCause, DeliveryId, JsonLineError, Record, State};

fn record(body: Option<Vec<u8>>) -> Record {
    let at = |millis| Some(Timestamp::from_millis(millis));
    Record {
        id: DeliveryId::from_i64(7),
        endpoint: "wert \"sandbox\"".into(),
        provider: "wert".into(),
        event_type: Some("order_complete".into()),
        key: Some(DedupKey::from_parts("wert/order/\u{1b}[31m\0".into(), "größe".into())),
        key_expires_at: at(i64::MAX),
        stage: Some(OrderStage::FINAL),
        fingerprint: Fingerprint::of(b"{}"),
        state: State::Dead,
        received_at: Timestamp::from_millis(-1),
        due_at: at(i64::MIN),
        settled_at: at(3),
        cause: Some(DeadCause::RefusedByCheck),
        attempts: u32::MAX,
        duplicates: u64::MAX,
        note: Some("line\nbreak".into()),
        resolved_at: at(4),
        resolution: Some("by hand".into()),
        body: body.map(Into::into),
    }
}

fn shown(record: &Record) -> String {
    let key = record.key.as_ref().map(ToString::to_string);
    format!("{record:?} {key:?} {:?} {:?} {:?}", record.fingerprint, record.resolution, record.body)
}

#[test]
fn a_delivery_comes_back_to_the_byte() {
    let empty = Record {
        event_type: None,
        key: None,
        key_expires_at: None,
        stage: None,
        due_at: None,
        settled_at: None,
        cause: None,
        note: None,
        resolved_at: None,
        resolution: None,
        ..record(None)
    };
    let states = State::ALL.map(|state| Record { state, ..record(Some(b"{}".to_vec())) });
    for record in [empty, record(Some((0..=255).collect())), record(Some(Vec::new()))].into_iter().chain(states) {
        let line = record.to_json_line();
        assert!(!line.contains(char::is_control), "one line, without escape sequences: {line:?}");
        assert_eq!(shown(&Record::from_json_line(&line).unwrap()), shown(&record));
    }
}

#[test]
fn a_line_has_the_documented_fields_and_others_are_ignored() {
    let line = record(Some(b"{}".to_vec())).to_json_line();
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&json["object"], &json["id"], &json["state"]), (&"delivery".into(), &"7".into(), &"dead".into()));
    assert_eq!((&json["type"], &json["body"], &json["received_at"]), (&"order_complete".into(), &"e30=".into(), &(-1).into()));
    let later = line.replacen('{', "{\"later\":[1],", 1);
    assert_eq!(shown(&Record::from_json_line(&later).unwrap()), shown(&Record::from_json_line(&line).unwrap()));
}

#[test]
fn a_broken_line_is_an_error_and_not_a_delivery() {
    let line = record(Some(b"{}".to_vec())).to_json_line();
    for end in (0..line.len()).step_by(7) {
        let cut = line.get(..end).unwrap_or_default();
        assert!(matches!(Record::from_json_line(cut), Err(JsonLineError::Json(_))), "{cut}");
    }
    let broken = |from: &str, to: &str| Record::from_json_line(&line.replace(from, to)).unwrap_err().to_string();
    assert_eq!(broken("\"e30=\"", "\"e3\\u0000\""), "the body is not base64");
    assert!(broken("\"dead\"", "\"deader\"").starts_with("\"deader\" is not a state"));
    assert!(broken("\"attempts\":4294967295", "\"attempts\":-1").starts_with("the line is no delivery: "));
    let fingerprint = line.split("\"fingerprint\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(broken(fingerprint, "e30="), "the fingerprint does not have 32 bytes");
    assert_eq!(broken(fingerprint, "!"), "the fingerprint is not base64");
}

//! Lines of an import: a line that is read is written back as the same delivery, and restores to it.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Inbox, MemoryInbox, Record, Restored, State, restorable};

use serde_json::{Map, Value};

use crate::runtime::block_on;
use crate::subset::has;

pub(crate) fn run(input: &[u8]) {
    let Ok(line) = str::from_utf8(input) else { return };
    let Ok(record) = Record::from_json_line(line) else { return };
    let written = record.to_json_line();
    assert!(!written.contains(|character| character < ' '), "one line: {written:?}");
    let read = Record::from_json_line(&written).unwrap();
    assert_eq!(shown(&read), shown(&record));
    // A field that is not read may have a number that only text can hold.
    if serde_json::from_str::<Value>(line).is_err() {
        return;
    }
    assert!(has(&known(line), &known(&written)), "{written}");
    block_on(check_restored(record));
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let lines = State::ALL.into_iter().map(|state| record(state).to_json_line().into_bytes());
    let empty = br#"{"object":"","id":"","endpoint":"","provider":"","fingerprint":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","state":"handled","received_at":0,"attempts":0,"duplicates":0}"#;
    lines.chain([empty.to_vec()]).collect()
}

/// Returns the fields of a line that are read in every case. An unknown id, half a key and an unknown cause are left out.
fn known(line: &str) -> Value {
    let mut fields: Map<String, Value> = serde_json::from_str(line).unwrap();
    let unread = ["object", "id", "subject", "discriminator", "cause"];
    fields.retain(|name, _| !unread.contains(&name.as_str()));
    Value::Object(fields)
}

fn record(state: State) -> Record {
    let at = |millis| Some(Timestamp::from_millis(millis));
    Record {
        id: DeliveryId::from_i64(7),
        endpoint: "wert".into(),
        provider: "wert".into(),
        event_type: Some("order_complete".into()),
        key: Some(DedupKey::from_parts("wert/order/1".into(), "order_complete".into())),
        key_expires_at: at(i64::MAX),
        stage: Some(OrderStage::FINAL),
        fingerprint: Fingerprint::of(b"{}"),
        state,
        received_at: Timestamp::from_millis(-1),
        due_at: at(i64::MIN),
        settled_at: at(3),
        cause: Some(DeadCause::RefusedByCheck),
        attempts: 4,
        duplicates: u64::MAX,
        note: Some("line\nbreak \u{1b}[31m".into()),
        resolved_at: at(4),
        resolution: Some("by hand".into()),
        body: Some("{}".into()),
    }
}

fn shown(record: &Record) -> String {
    let key = record.key.as_ref().map(|key| (key.subject(), key.discriminator()));
    format!("{record:?} {key:?} {:?} {:?} {:?} {:?}", record.fingerprint, record.note, record.resolution, record.body)
}

/// Restores the delivery twice.
async fn check_restored(record: Record) {
    let inbox = MemoryInbox::new();
    let Ok(mut expected) = restorable(record.clone()) else {
        assert!(inbox.restore(vec![record]).await.is_err());
        return;
    };
    let restored = inbox.restore(vec![record.clone()]).await.unwrap();
    let [Restored::New(id)] = *restored else { panic!("{restored:?}") };
    let found = inbox.show(id).await.unwrap().unwrap();
    expected.id = id;
    assert_eq!(shown(&found), shown(&expected));
    let again = inbox.restore(vec![record]).await.unwrap();
    match &expected.key {
        Some(_) => assert_eq!(again, [Restored::Known(id)]),
        None => assert!(matches!(*again, [Restored::New(_)]), "{again:?}"),
    }
}

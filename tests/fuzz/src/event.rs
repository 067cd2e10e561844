//! Events and fingerprints: every public way to read a body comes to the same result, nothing is lost, and spelling does not matter.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Provider, Request, extract};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::event::{CompletedPurchase, Money, UnclearPurchase};
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::inbox::{ClaimRequest, Filter, Inbox, MemoryInbox, Record, State};
use onramp_webhooks::masking::{masked, revealed};
use onramp_webhooks::provider::{Endpoint, ProviderEvent, Providers};
use onramp_webhooks::{Delivery, Kriptomat, Receiver, Wert};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::respell::{altered, json, respelled};
use crate::runtime::block_on;
use crate::{fixtures, parts};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The first byte chooses the provider, and the others are the body.
pub(crate) fn run(input: &[u8]) {
    match parts::first(input) {
        (b'k', body) => check::<Kriptomat>(body),
        (_, body) => check::<Wert>(body),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let of = |provider: &str| {
        fixtures::bodies(provider).into_iter().map(|body| parts::joined(&[&provider.as_bytes()[..1], &body])).collect::<Vec<_>>()
    };
    let unusual =
        br#"w{"type":"login","click_id":"\ud83d\ude00\/","more":[1.50,{"\ud800":"\udc00x","a":1},[[]],-0,null,true,1e5]}"#;
    [of("wert"), of("kriptomat"), vec![unusual.to_vec(), br#"w["\ud800"]"#.to_vec()]].concat()
}

fn check<P>(body: &[u8])
where
    P: Provider + Default,
    P::Event: Serialize + DeserializeOwned + PartialEq,
{
    let event = P::Event::read(body).ok();
    check_ways::<P>(body, event.as_ref());
    if let Some(event) = &event {
        check_written::<P>(body, event);
    }
    check_views(masked(&Providers::default(), &P::FACTS.name(), body).text(), body);
    block_on(check_received::<P>(body, event.as_ref()));
}

/// Reads the body again in every way that reads no request.
fn check_ways<P>(body: &[u8], event: Option<&P::Event>)
where
    P: Provider,
    P::Event: DeserializeOwned + PartialEq,
{
    assert_eq!(P::Event::read(body).ok().as_ref(), event, "the same body, read again");
    let read = Providers::default().read(&P::FACTS.name(), body).ok();
    assert_eq!(read.as_ref().and_then(|event| event.get::<P::Event>()), event, "read as the event of any provider");
    if let Some(text) = json(body) {
        assert_eq!(serde_json::from_str::<P::Event>(text).ok().as_ref(), event, "read by serde");
    }
}

/// Checks that the event contains everything that the body does.
fn check_written<P>(body: &[u8], event: &P::Event)
where
    P: Provider,
    P::Event: Serialize + PartialEq,
{
    let written = serde_json::to_string(event).unwrap();
    assert_eq!(P::Event::read(written.as_bytes()).ok().as_ref(), Some(event), "{written}");
    if respelled(body).is_some() {
        assert_eq!(Fingerprint::of(written.as_bytes()), Fingerprint::of(body), "{written}");
    }
}

/// Checks that operators see JSON, and with all of its data if they may.
fn check_views(masked: &str, body: &[u8]) {
    let all = revealed(body);
    if json(body).is_some() && !all.is_cut() {
        assert!(serde_json::from_str::<IgnoredAny>(masked).is_ok(), "{masked}");
        // Names that are not Unicode are replaced.
        if respelled(body).is_some() && !all.text().contains('\u{fffd}') {
            assert_eq!(Fingerprint::of(all.text().as_bytes()), Fingerprint::of(body), "{}", all.text());
        }
    }
}

fn money(purchase: Result<Option<CompletedPurchase>, UnclearPurchase>) -> Vec<Money> {
    match purchase {
        Ok(purchase) => purchase.into_iter().flat_map(|purchase| [purchase.fiat, purchase.crypto]).collect(),
        Err(unclear) => vec![unclear.base().clone(), unclear.quote().clone()],
    }
}

/// Sends the body twice, and once in another spelling.
async fn check_received<P>(body: &[u8], event: Option<&P::Event>)
where
    P: Provider + Default,
    P::Event: PartialEq,
{
    let inbox = Arc::new(MemoryInbox::new());
    let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(Endpoint::open(P::default()));
    let receiver = receiver.clock(Arc::new(ManualClock::at(NOW))).build().unwrap();
    let path = format!("/{}", P::FACTS.name());
    let send =
        async |body: &[u8]| receiver.receive(&Request::new("POST", &path, None, &[]), Full::new(body.to_vec())).await.status();
    let expected = match extract::<P, _, _>(&[], Full::new(body.to_vec())).await.unwrap() {
        Ok(extracted) => {
            assert_eq!(Some(&extracted), event, "extracted from a request");
            200
        }
        Err(unreadable) => {
            assert!(event.is_none() && unreadable.raw() == body && !unreadable.reason().is_empty());
            unreadable.reply().status()
        }
    };
    assert_eq!(send(body).await, expected);
    let records = all(&inbox).await;
    let [record] = records.as_slice() else { panic!("{records:?}") };
    check_record(record, body, event);

    assert_eq!(send(body).await, expected);
    let mut sent = 2;
    if let Some(body) = respelled(body) {
        assert_eq!(send(body.as_bytes()).await, expected, "{body}");
        sent = 3;
    }
    let records = all(&inbox).await;
    assert_eq!(records.iter().map(|record| 1 + record.duplicates).sum::<u64>(), sent, "all are kept or counted");
    assert!(record.key.is_none() || records.len() == 1, "the same event is a duplicate: {records:?}");
    check_claimed::<P>(&inbox, body, event).await;
}

async fn all(inbox: &MemoryInbox) -> Vec<Record> {
    inbox.list(Filter::all().with_bodies()).await.unwrap().records
}

fn check_record<E: ProviderEvent>(record: &Record, body: &[u8], event: Option<&E>) {
    assert_eq!(record.state, if event.is_some() { State::Pending } else { State::Quarantined });
    assert_eq!(record.body.as_deref(), Some(body), "kept to the byte");
    assert_eq!(record.note.as_ref().is_some_and(|note| !note.is_empty()), event.is_none(), "a reason if it is not readable");
    let money = event.map_or(Vec::new(), |event| money(event.completed_purchase()));
    assert_eq!(record.fingerprint, Fingerprint::of(body).with_money(&money));
    if let Some((same, other)) = respelled(body).zip(altered(body)) {
        assert_eq!(Fingerprint::of(same.as_bytes()), Fingerprint::of(body), "{same}");
        assert_ne!(Fingerprint::of(other.as_bytes()), Fingerprint::of(body), "{other}");
    }
}

/// Claims the delivery, and reads it as a worker does.
async fn check_claimed<P>(inbox: &MemoryInbox, body: &[u8], event: Option<&P::Event>)
where
    P: Provider,
    P::Event: PartialEq,
{
    let claims = inbox.claim(NOW, ClaimRequest::new(9, Duration::from_secs(30))).await.unwrap();
    assert_eq!(claims.deliveries.is_empty(), event.is_none());
    if let Some(claimed) = claims.deliveries.into_iter().next() {
        let delivery = Delivery::read(claimed, &Providers::default()).unwrap();
        assert_eq!(delivery.event().get::<P::Event>(), event, "read by a worker");
        assert_eq!(delivery.raw(), body);
    }
}

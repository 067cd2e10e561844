//! Inspectors over a filled inbox, and requests to them.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks::adapter::{Page, PageBody, PageRequest, PageResponse, Request};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{
    ClaimRequest, DeadCause, DeliveryId, MemoryInbox, NewDelivery, Quarantine, Recorded, Settled, Settlement,
};
use onramp_webhooks_inspector::{Inspector, InspectorBuilder};
use serde_json::Value;

pub(crate) const TOKEN: &str = "operators-0123456789abcdef0123456789abcdef";
pub(crate) const READER: &str = "readers-0123456789abcdef0123456789abcdef";
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const COMPLETE: &[u8] = include_bytes!("../../../onramp-webhooks/fixtures/wert/order_complete.json");

/// An inspector, its inbox and its clock.
pub(crate) struct Under {
    pub(crate) inspector: Inspector,
    pub(crate) inbox: Arc<MemoryInbox>,
    pub(crate) clock: ManualClock,
}

impl Under {
    pub(crate) fn new(build: impl FnOnce(InspectorBuilder) -> InspectorBuilder) -> Self {
        let (inbox, clock) = (Arc::new(MemoryInbox::new()), ManualClock::at(NOW));
        let builder = Inspector::builder(Arc::clone(&inbox)).title("Shop", "production").clock(Arc::new(clock.clone()));
        Self { inspector: build(builder).build().unwrap(), inbox, clock }
    }

    pub(crate) fn with_tokens() -> Self {
        Self::new(|builder| builder.token(TOKEN).reader_token(READER))
    }

    pub(crate) async fn record(&self, body: &[u8]) -> DeliveryId {
        self.record_as("wert", body, |_| {}).await
    }

    pub(crate) async fn record_as(
        &self,
        provider: &'static str,
        body: &[u8],
        change: impl FnOnce(&mut NewDelivery),
    ) -> DeliveryId {
        let mut delivery = NewDelivery::new(provider, provider, NOW, body.to_vec().into());
        delivery.event_type = Some("order_complete".to_owned());
        change(&mut delivery);
        match self.inbox.record(delivery).await.unwrap() {
            Recorded::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn quarantined(&self, body: &[u8], reason: &str) -> DeliveryId {
        self.record_as("wert", body, |delivery| delivery.quarantine = Some(Quarantine::unreadable(reason.to_owned()))).await
    }

    /// Records a delivery with a key of its own, and settles it.
    pub(crate) async fn settled(&self, body: &[u8], settled: Settled) -> DeliveryId {
        let number = self.inbox.counts().await.unwrap().iter().map(|(_, count)| count).sum::<u64>();
        let key = DedupKey::new("wert", "order", &format!("order-{number}"), "order_complete");
        let id = self.record_as("wert", body, |delivery| delivery.key = Some(key)).await;
        let claims = self.inbox.claim(NOW, ClaimRequest::new(10, Duration::from_secs(30))).await.unwrap();
        let lease = claims.deliveries.iter().find(|claimed| claimed.lease.id == id).unwrap().lease;
        assert_eq!(self.inbox.settle(NOW, vec![Settlement::new(lease, settled)]).await.unwrap(), []);
        id
    }

    pub(crate) async fn dead(&self, body: &[u8], note: &str) -> DeliveryId {
        self.settled(body, Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: note.to_owned() }).await
    }

    pub(crate) async fn send(&self, request: PageRequest) -> Answer {
        Answer(self.inspector.respond(request).await)
    }

    /// Sends a request as a script with a bearer token.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request("GET", path, &[("authorization", &format!("Bearer {token}"))], "")).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json"), ("x-onramp-inspector", "1")];
        self.send(request("POST", path, &headers, body)).await
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> PageRequest {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut lines = vec![("host", "shop.example")];
    lines.retain(|(name, _)| headers.iter().all(|(other, _)| other != name));
    lines.extend(headers.iter().filter(|(_, value)| *value != "-"));
    let lines = lines.as_slice();
    let head = Request::new(method, path, Some("192.0.2.7".parse().unwrap()), &lines).with_query(query);
    PageRequest::new(&head, body.as_bytes().to_vec())
}

pub(crate) struct Answer(pub(crate) PageResponse);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.status
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        match &self.0.body {
            PageBody::Whole(body) => str::from_utf8(body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap()
    }

    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!((self.status(), self.header("content-type")), (status, Some("application/problem+json")), "{}", self.text());
        assert_eq!(self.json()["status"], status);
    }
}

//! An endpoint under test, and assertions on its replies.

use std::net::IpAddr;

use bytes::Bytes;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Filter, Inbox, MemoryInbox, Record, Settled, Settlement, State};
use onramp_webhooks::{Endpoint, Kriptomat, Receiver, ReceiverBuilder, Reply, Wert};
use onramp_webhooks_testkit::events::{Postback, WertOrder};

/// The lease of claims.
pub(crate) const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

/// A receiver with one endpoint.
pub(crate) struct Door {
    pub(crate) provider: &'static str,
    pub(crate) receiver: Receiver,
    pub(crate) path: String,
}

/// One door for each provider.
pub(crate) fn doors() -> impl Iterator<Item = Door> {
    ["wert", "kriptomat"].into_iter().map(|provider| Door::new(provider, MemoryInbox::new(), |builder| builder))
}

pub(crate) fn endpoint(provider: &str) -> Endpoint {
    match provider {
        "wert" => Wert::with_path_secret("s3cret-for-examples"),
        _ => Kriptomat::with_path_secret("s3cret-for-examples"),
    }
}

impl Door {
    pub(crate) fn new(
        provider: &'static str,
        inbox: impl Inbox,
        change: impl FnOnce(ReceiverBuilder) -> ReceiverBuilder,
    ) -> Self {
        Self::with(endpoint(provider), provider, inbox, change)
    }

    pub(crate) fn with(
        endpoint: Endpoint,
        provider: &'static str,
        inbox: impl Inbox,
        change: impl FnOnce(ReceiverBuilder) -> ReceiverBuilder,
    ) -> Self {
        let receiver = change(Receiver::builder(inbox).endpoint(endpoint)).build().unwrap();
        Self { provider, receiver, path: format!("/{provider}/s3cret-for-examples") }
    }

    /// A status that differs between providers.
    pub(crate) fn expected(&self, wert: u16, kriptomat: u16) -> u16 {
        if self.provider == "wert" { wert } else { kriptomat }
    }

    /// A purchase that was never seen before.
    pub(crate) fn purchase(&self) -> Bytes {
        self.purchase_of("250.00").0
    }

    /// A new purchase, and the same one with another amount.
    pub(crate) fn contradiction(&self) -> (Bytes, Bytes) {
        self.purchase_of("250.00")
    }

    fn purchase_of(&self, amount: &str) -> (Bytes, Bytes) {
        if self.provider == "wert" {
            let order = WertOrder::new().fiat(amount, "USD");
            (order.complete(), order.fiat("9999.00", "USD").complete())
        } else {
            let postback = Postback::new().with("fiat_amount", amount);
            (postback.json(), postback.with("fiat_amount", "9999.00").json())
        }
    }

    /// A body of a known kind that does not fit it.
    pub(crate) fn unreadable(&self) -> Bytes {
        if self.provider == "wert" {
            WertOrder::new().with("quote_amount", "much").complete()
        } else {
            Postback::new().with("amount", "much").json()
        }
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Reply {
        self.send("POST", &self.path, None, &[("content-type", "application/json")], body).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        peer: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let peer = peer.map(|peer| peer.parse::<IpAddr>().unwrap());
        self.receiver.receive(&Request::new(method, path, peer, &headers), Full::new(body)).await
    }

    pub(crate) fn inbox(&self) -> &dyn Inbox {
        &**self.receiver.inbox()
    }

    /// All that is kept, the newest first.
    pub(crate) async fn kept(&self) -> Vec<Record> {
        self.inbox().list(Filter::all().limit(100_000)).await.unwrap().records
    }

    /// The only thing that is kept, with its body.
    pub(crate) async fn only(&self) -> Record {
        let kept = self.kept().await;
        assert_eq!(kept.len(), 1, "{kept:?}");
        self.inbox().show(kept[0].id).await.unwrap().unwrap()
    }

    pub(crate) async fn claim(&self) -> Vec<ClaimedDelivery> {
        let now = self.kept().await.iter().map(|record| record.received_at).max().unwrap_or_default();
        self.inbox().claim(now, ClaimRequest::new(100_000, LEASE)).await.unwrap().deliveries
    }

    pub(crate) async fn settle(&self, claimed: &ClaimedDelivery, outcome: Settled) {
        let settlement = Settlement::new(claimed.lease, outcome);
        assert_eq!(self.inbox().settle(claimed.received_at, vec![settlement]).await.unwrap(), []);
    }

    pub(crate) async fn states(&self) -> Vec<State> {
        self.kept().await.iter().map(|record| record.state).collect()
    }
}

pub(crate) fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers().find(|(header, _)| *header == name).and_then(|(_, value)| str::from_utf8(value).ok())
}

/// The answer is the one that says "received".
pub(crate) fn is_received(reply: &Reply) {
    assert_eq!((reply.status(), reply.body().as_ref()), (200, br#"{"received":true}"#.as_slice()));
    assert_eq!(header(reply, "content-type"), Some("application/json"));
}

/// The answer is a problem of RFC 9457 with `status`, or says "received" when that is 200.
pub(crate) fn says(reply: &Reply, status: u16) {
    if status == 200 {
        return is_received(reply);
    }
    let problem: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!((reply.status(), &problem["status"]), (status, &status.into()), "{problem}");
    assert_eq!(header(reply, "content-type"), Some("application/problem+json"));
    assert!(problem["title"].is_string() && problem["detail"].is_string() && problem["type"].is_string(), "{problem}");
}

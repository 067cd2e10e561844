//! Sending events as providers do: until they are acknowledged.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use onramp_webhooks::fingerprint::Fingerprint;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::shops::KRIPTOMAT;
use crate::client::Client;
use crate::connection::{Response, answer_to};

/// The pause before a request is repeated.
const PAUSE: Duration = Duration::from_millis(20);

/// An event, and the path to which its provider sends it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    path: &'static str,
    pub(super) body: Bytes,
}

/// Sends events to the shops.
pub(super) struct Post {
    clients: Arc<Mutex<Vec<Client>>>,
    /// The number of events that may be repeated.
    remembered: usize,
    sent: Mutex<Vec<Event>>,
    receipts: Mutex<Vec<Receipt>>,
    counts: Mutex<Counts>,
}

/// An acknowledgement.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) fingerprint: Fingerprint,
    /// The dedup key of an event of an order.
    pub(super) key: Option<String>,
}

/// The numbers of requests so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// All requests.
    pub(super) requests: usize,
    /// The events that were acknowledged, each once.
    pub(super) acknowledged: usize,
    /// The acknowledged events that were sent again.
    pub(super) repeated: usize,
    /// The requests of strangers, which were refused.
    pub(super) refused: usize,
    /// The events that were refused with status 503, and those of them that were refused while the disk of the spills was full.
    pub(super) unavailable: usize,
    pub(super) on_full_disk: usize,
    /// The requests without a response.
    pub(super) unanswered: usize,
    /// The longest time until a response.
    pub(super) slowest: Duration,
}

impl Event {
    pub(super) fn wert(body: Bytes) -> Self {
        Self { path: "/webhooks/wert/dev-secret", body }
    }

    pub(super) fn kriptomat(body: Bytes) -> Self {
        Self { path: "/webhooks/kriptomat", body }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn receipt(&self) -> Receipt {
        let event = self.json();
        let (order, event_type) = (event["order"]["id"].as_str(), event["type"].as_str());
        let key = order.zip(event_type).map(|(order, event_type)| format!("wert/order/{order}/{event_type}"));
        Receipt { fingerprint: Fingerprint::of(&self.body), key }
    }
}

impl Post {
    pub(super) fn to(clients: Arc<Mutex<Vec<Client>>>, remembered: usize) -> Self {
        Self { clients, remembered, sent: Mutex::default(), receipts: Mutex::default(), counts: Mutex::default() }
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap()
    }

    /// Returns the acknowledgements so far.
    pub(super) fn receipts(&self) -> Vec<Receipt> {
        self.receipts.lock().unwrap().clone()
    }

    /// Sends an event to any shop until it is acknowledged.
    pub(super) async fn deliver(&self, event: &Event, random: &mut Rng) {
        self.try_until_answered(event.path, KRIPTOMAT, &event.body, random).await.assert_received();
        self.acknowledged(event);
        let mut sent = self.sent.lock().unwrap();
        if sent.len() < self.remembered {
            sent.push(event.clone());
        } else {
            sent[random.usize(0..self.remembered)] = event.clone();
        }
    }

    /// Sends an event that is not repeated to any shop once. Returns the status of the response, which is 200 or 503.
    pub(super) async fn offer(&self, event: &Event, random: &mut Rng) -> Option<u16> {
        let answer = self.try_once(event.path, KRIPTOMAT, &event.body, random).await?;
        if answer.status != 503 {
            answer.assert_received();
            self.acknowledged(event);
        }
        Some(answer.status)
    }

    fn acknowledged(&self, event: &Event) {
        self.counts().acknowledged += 1;
        self.receipts.lock().unwrap().push(event.receipt());
    }

    /// Sends one of the events again.
    pub(super) async fn repeat_one(&self, random: &mut Rng) {
        let event = random.choice(self.sent.lock().unwrap().iter()).cloned();
        if let Some(event) = event {
            self.send_again(&event, random).await;
        }
    }

    /// Sends at most `number` of the remembered events again, in any order.
    pub(super) async fn repeat(&self, number: usize, random: &mut Rng) {
        let mut sent = self.sent.lock().unwrap().clone();
        random.shuffle(&mut sent);
        for event in sent.iter().take(number) {
            self.send_again(event, random).await;
        }
    }

    async fn send_again(&self, event: &Event, random: &mut Rng) {
        self.try_until_answered(event.path, KRIPTOMAT, &event.body, random).await.assert_received();
        self.counts().repeated += 1;
    }

    /// Sends an event with another secret, or from another address, which is refused.
    pub(super) async fn refused(&self, event: &Event, random: &mut Rng) {
        let guess = self.try_until_answered("/webhooks/wert/guess", KRIPTOMAT, &event.body, random).await;
        assert_eq!(guess.status, 404, "{guess:?}");
        let stranger = self.try_until_answered("/webhooks/kriptomat", "203.0.113.9", &event.body, random).await;
        assert_eq!(stranger.status, 403, "{stranger:?}");
        self.counts().refused += 2;
    }

    /// Posts a request until it is answered.
    pub(super) async fn ask(&self, path: &str, body: String, random: &mut Rng) -> Response {
        let answer = self.try_until_answered(path, KRIPTOMAT, &body.into(), random).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Repeats a request to any shop, as if from `address`, until there is a response other than 503.
    async fn try_until_answered(&self, path: &str, address: &str, body: &Bytes, random: &mut Rng) -> Response {
        loop {
            match self.try_once(path, address, body, random).await {
                Some(answer) if answer.status != 503 => return answer,
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Sends a request to any shop, as if from `address`.
    async fn try_once(&self, path: &str, address: &str, body: &Bytes, random: &mut Rng) -> Option<Response> {
        let shop = random.choice(self.clients.lock().unwrap().iter()).cloned()?;
        let request = shop.request("POST", path).header(CONTENT_TYPE, "application/json");
        let begun = Instant::now();
        let answer = answer_to(request.header("x-forwarded-for", address).body(body.clone())).await.ok();
        let mut counts = self.counts();
        counts.requests += 1;
        match &answer {
            Some(answer) => {
                counts.slowest = counts.slowest.max(begun.elapsed());
                counts.unavailable += usize::from(answer.status == 503 && path.starts_with("/webhooks/"));
            }
            None => counts.unanswered += 1,
        }
        answer
    }
}

//! Sending events as providers do: until they are acknowledged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::shops::KRIPTOMAT;
use crate::client::Client;
use crate::connection::{Response, answer_to};

/// The number of events that may be repeated.
const REMEMBERED: usize = 5_000;

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
    sent: Mutex<Vec<Event>>,
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
}

impl Post {
    pub(super) fn to(clients: Arc<Mutex<Vec<Client>>>) -> Self {
        Self { clients, sent: Mutex::default() }
    }

    /// Sends an event to any shop until it is acknowledged.
    pub(super) async fn deliver(&self, event: &Event, random: &mut Rng) {
        self.try_until_answered(event.path, KRIPTOMAT, &event.body, random).await.assert_received();
        let mut sent = self.sent.lock().unwrap();
        if sent.len() < REMEMBERED {
            sent.push(event.clone());
        } else {
            sent[random.usize(0..REMEMBERED)] = event.clone();
        }
    }

    /// Sends one of the events again.
    pub(super) async fn repeat_one(&self, random: &mut Rng) {
        let event = random.choice(self.sent.lock().unwrap().iter()).cloned();
        if let Some(event) = event {
            self.try_until_answered(event.path, KRIPTOMAT, &event.body, random).await.assert_received();
        }
    }

    /// Sends all remembered events again, in any order.
    pub(super) async fn repeat_all(&self, random: &mut Rng) {
        let mut sent = self.sent.lock().unwrap().clone();
        random.shuffle(&mut sent);
        for event in sent {
            self.try_until_answered(event.path, KRIPTOMAT, &event.body, random).await.assert_received();
        }
    }

    /// Sends an event with another secret, or from another address, which is refused.
    pub(super) async fn refused(&self, event: &Event, random: &mut Rng) {
        let guess = self.try_until_answered("/webhooks/wert/guess", KRIPTOMAT, &event.body, random).await;
        assert_eq!(guess.status, 404, "{guess:?}");
        let stranger = self.try_until_answered("/webhooks/kriptomat", "203.0.113.9", &event.body, random).await;
        assert_eq!(stranger.status, 403, "{stranger:?}");
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
            let shop = random.choice(self.clients.lock().unwrap().iter()).cloned();
            if let Some(shop) = shop {
                let request = shop.request("POST", path).header(CONTENT_TYPE, "application/json");
                match answer_to(request.header("x-forwarded-for", address).body(body.clone())).await {
                    Ok(answer) if answer.status != 503 => return answer,
                    Ok(_) | Err(_) => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

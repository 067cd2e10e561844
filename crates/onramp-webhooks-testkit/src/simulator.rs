//! Simulated traffic of the providers: every event, complete sequences of orders, duplicates, shuffled requests and bursts.
//!
//! ```
//! use std::collections::BTreeMap;
//! use onramp_webhooks::inbox::{MemoryInbox, State};
//! use onramp_webhooks::adapter::{Full, Request};
//! use onramp_webhooks::{Kriptomat, Receiver, Wert};
//! use onramp_webhooks_testkit::simulator::{Posted, Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let receiver = Receiver::builder(MemoryInbox::new())
//!     .endpoint(Wert::with_path_secret("s3cret-for-examples"))
//!     .endpoint(Kriptomat::with_path_secret("s3cret-for-examples"))
//!     .build()?;
//!
//! let mut simulator = Simulator::seeded(7);
//! let traffic = simulator.orders(20).and(simulator.purchases(5)).repeated(3).shuffled();
//! let statuses = traffic.burst(8, async |post: Posted| {
//!     let path = format!("/{}/s3cret-for-examples", post.provider);
//!     let headers = [("content-type", post.content_type)];
//!     receiver.receive(&Request::new("POST", &path, None, &headers), Full::new(post.body)).await.status()
//! });
//! assert!(statuses.await.iter().all(|status| *status == 200));
//! assert_eq!(receiver.inbox().counts().await?.of(State::Conflict), 0);
//! assert_eq!(traffic.completed().len(), 25);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use futures_util::stream::{self, StreamExt};
use onramp_webhooks::CompletedPurchase;
use onramp_webhooks::provider::{ProviderName, Providers};

use crate::events::{Postback, WERT_ACCOUNT_EVENTS, WERT_ORDER_EVENTS, WertOrder, uuid, wert_account, wert_test};

/// The documented pauses before Wert sends a failed event again; after the last one Wert gives up.
pub const WERT_RETRIES: [Duration; 5] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(4 * 3_600),
    Duration::from_secs(8 * 3_600),
];

/// The events of a customer whose identity is verified at the second attempt.
const VERIFICATION: [&str; 4] = ["verify_start", "verify_failed", "verify_retry", "verify_success"];

/// The outcome of an order in Wert's widget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The customer paid and got the crypto.
    Completed,
    /// The payment failed.
    Failed,
    /// The customer did not pay.
    Canceled,
    /// The customer paid, and the call of the smart contract failed.
    ContractFailed,
}

impl Outcome {
    /// Returns the types of its events, in the sequence in which Wert sends them.
    #[must_use]
    pub const fn events(self) -> &'static [&'static str] {
        match self {
            Self::Completed => &["payment_started", "transfer_started", "order_complete"],
            Self::Failed => &["payment_started", "order_failed"],
            Self::Canceled => &["payment_started", "order_canceled"],
            Self::ContractFailed => &["payment_started", "transfer_started", "tx_smart_contract_failed"],
        }
    }
}

/// One request as a provider sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Posted {
    /// The provider.
    pub provider: ProviderName,
    /// Its `content-type`.
    pub content_type: &'static str,
    /// Its body.
    pub body: Bytes,
}

impl Posted {
    fn wert(body: Bytes) -> Self {
        Self { provider: "wert".into(), content_type: "application/json", body }
    }

    fn kriptomat(postback: &Postback) -> Self {
        Self { provider: "kriptomat".into(), content_type: "application/json", body: postback.json() }
    }
}

/// A generator of traffic. The same seed makes the same choices, but ids are always new.
#[derive(Debug)]
pub struct Simulator {
    random: Rng,
}

impl Simulator {
    /// Creates a simulator with a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed) }
    }

    /// Returns one event of every documented type, and a postback in every documented spelling.
    #[must_use]
    pub fn every_event(&mut self) -> Traffic {
        let account = WERT_ACCOUNT_EVENTS.map(|event_type| Posted::wert(wert_account(event_type, &self.customer())));
        let order = WERT_ORDER_EVENTS.map(|event_type| Posted::wert(self.order().documented(event_type)));
        let id = self.customer();
        let postbacks = [
            Postback::new().additional_field("0", id.clone()),
            Postback::new().with("0", id.clone()),
            Postback::new().with("additional_fields", serde_json::json!({ "0": id })),
            Postback::new().with("additional_fields", serde_json::json!([id])),
        ];
        let form = Postback::new().additional_field("0", id);
        let mut posts: Vec<_> = account.into_iter().chain(order).collect();
        posts.push(Posted::wert(wert_test()));
        posts.extend(postbacks.iter().map(Posted::kriptomat));
        posts.push(Posted { content_type: "application/x-www-form-urlencoded", body: form.form(), ..Posted::kriptomat(&form) });
        self.traffic(posts)
    }

    /// Returns all events of `number` orders of Wert's that complete.
    #[must_use]
    pub fn orders(&mut self, number: usize) -> Traffic {
        self.checkouts(number, Outcome::Completed)
    }

    /// Returns all events of `number` orders of Wert's that fail.
    #[must_use]
    pub fn failing_orders(&mut self, number: usize) -> Traffic {
        self.checkouts(number, Outcome::Failed)
    }

    /// Returns all events of `number` orders of Wert's with an outcome, in the sequence in which Wert sends them.
    #[must_use]
    pub fn checkouts(&mut self, number: usize, outcome: Outcome) -> Traffic {
        let posts = (0..number).flat_map(|_| {
            let order = self.order();
            outcome.events().iter().map(move |event_type| Posted::wert(order.documented(event_type)))
        });
        let posts = posts.collect();
        self.traffic(posts)
    }

    /// Returns the events of `number` new customers whose identity is verified at the second attempt.
    #[must_use]
    pub fn verifications(&mut self, number: usize) -> Traffic {
        let posts = (0..number).flat_map(|_| {
            let order = self.order().click_id(new_customer());
            VERIFICATION.map(|event_type| Posted::wert(order.documented(event_type)))
        });
        let posts = posts.collect();
        self.traffic(posts)
    }

    /// Returns one event of Wert's of the type `event_type`, which may be unknown. An event without an order is about a new customer, so
    /// that it repeats no other.
    #[must_use]
    pub fn wert_event(&mut self, event_type: &str) -> Traffic {
        let body = match event_type {
            "test" => wert_test(),
            account if WERT_ACCOUNT_EVENTS.contains(&account) => wert_account(account, &new_customer()),
            event_type => self.order().documented(event_type),
        };
        self.traffic(vec![Posted::wert(body)])
    }

    /// Returns the postbacks of `number` purchases.
    #[must_use]
    pub fn purchases(&mut self, number: usize) -> Traffic {
        let posts = (0..number).map(|_| {
            let cents = self.random.u32(100..100_000);
            let postback = Postback::new().additional_field("0", self.customer());
            Posted::kriptomat(&postback.with("fiat_amount", format!("{}.{:02}", cents / 100, cents % 100)))
        });
        let posts = posts.collect();
        self.traffic(posts)
    }

    fn order(&mut self) -> WertOrder {
        let cents = self.random.u32(100..100_000);
        WertOrder::new().click_id(self.customer()).fiat(&format!("{}.{:02}", cents / 100, cents % 100), "USD")
    }

    /// Chooses one of a hundred customers.
    fn customer(&mut self) -> String {
        format!("customer-{}", self.random.u32(0..100))
    }

    fn traffic(&mut self, posts: Vec<Posted>) -> Traffic {
        Traffic { posts, random: self.random.fork() }
    }
}

/// Returns a customer that no other event is about.
fn new_customer() -> String {
    format!("customer-{}", uuid())
}

/// Requests, in the order of sending.
#[derive(Clone, Debug)]
pub struct Traffic {
    posts: Vec<Posted>,
    random: Rng,
}

impl Traffic {
    /// Appends other traffic.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.posts.extend(others.posts);
        self
    }

    /// Repeats all requests.
    #[must_use]
    pub fn repeated(self, times: usize) -> Self {
        Self { posts: std::iter::repeat_n(self.posts, times).flatten().collect(), random: self.random }
    }

    /// Shuffles the requests.
    #[must_use]
    pub fn shuffled(mut self) -> Self {
        self.random.shuffle(&mut self.posts);
        self
    }

    /// The requests.
    #[must_use]
    pub fn posts(&self) -> &[Posted] {
        &self.posts
    }

    /// Returns the distinct completed purchases that a shop must credit.
    ///
    /// # Panics
    /// Never, because the simulator's bodies can be read.
    #[must_use]
    pub fn completed(&self) -> Vec<CompletedPurchase> {
        let distinct: BTreeSet<(&ProviderName, &Bytes)> = self.posts.iter().map(|post| (&post.provider, &post.body)).collect();
        let providers = Providers::default();
        let event = |(provider, body): (&ProviderName, &Bytes)| providers.read(provider, body).expect("an event");
        distinct.into_iter().filter_map(|post| event(post).completed_purchase().expect("a clear purchase")).collect()
    }

    /// Sends all requests, `at_once` at a time, and returns the results in the order of [`posts`](Self::posts).
    pub async fn burst<T>(&self, at_once: usize, send: impl AsyncFn(Posted) -> T) -> Vec<T> {
        let send = &send;
        let sending = stream::iter(self.posts.iter().cloned()).map(|post| async move { send(post).await });
        sending.buffered(at_once.max(1)).collect().await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn every_documented_event_can_be_read() {
        let traffic = Simulator::seeded(1).every_event();
        let types: BTreeSet<String> = traffic
            .posts()
            .iter()
            .map(|post| Providers::default().read(&post.provider, &post.body).unwrap())
            .inspect(|event| assert_ne!(event.type_label(), "unknown", "{event:?}"))
            .map(|event| event.type_name().to_owned())
            .collect();
        assert_eq!(types.len(), WERT_ACCOUNT_EVENTS.len() + WERT_ORDER_EVENTS.len() + 2, "{types:?}");
        assert_eq!(traffic.completed().len(), 6, "one order and five postbacks");
    }

    #[test]
    fn only_completed_orders_are_purchases() {
        let mut simulator = Simulator::seeded(2);
        let purchases = |traffic: &Traffic| (traffic.posts().len(), traffic.completed().len());
        assert_eq!(purchases(&simulator.checkouts(5, Outcome::Completed)), (15, 5));
        assert_eq!(purchases(&simulator.checkouts(5, Outcome::Failed)), (10, 0));
        assert_eq!(purchases(&simulator.checkouts(5, Outcome::Canceled)), (10, 0));
        assert_eq!(purchases(&simulator.checkouts(5, Outcome::ContractFailed)), (15, 0));
        assert_eq!(purchases(&simulator.verifications(5)), (20, 0));
        assert_eq!(purchases(&simulator.wert_event("test")), (1, 0));
    }

    #[test]
    fn events_without_an_order_are_about_new_customers() {
        let mut simulator = Simulator::seeded(7);
        let logins: BTreeSet<Bytes> = (0..1_000).map(|_| simulator.wert_event("login").posts()[0].body.clone()).collect();
        let verified: BTreeSet<Bytes> = simulator.verifications(1_000).posts().iter().map(|post| post.body.clone()).collect();
        assert_eq!((logins.len(), verified.len()), (1_000, 4_000));
    }

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        let amounts = |seed| {
            let completed = Simulator::seeded(seed).orders(20).completed();
            completed.iter().map(|purchase| purchase.fiat.to_string()).collect::<BTreeSet<_>>()
        };
        assert_eq!(amounts(1), amounts(1));
        assert_ne!(amounts(1), amounts(2));
    }

    #[test]
    fn repeated_and_shuffled_traffic_is_still_the_same_purchases() {
        let mut simulator = Simulator::seeded(3);
        let traffic = simulator.orders(10).and(simulator.purchases(10)).and(simulator.failing_orders(10));
        assert_eq!((traffic.posts().len(), traffic.completed().len()), (60, 20));
        let messy = traffic.clone().repeated(3).shuffled();
        assert_ne!(messy.posts()[..60], traffic.posts()[..]);
        assert_eq!((messy.posts().len(), messy.completed()), (180, traffic.completed()));
    }

    #[tokio::test]
    async fn a_burst_sends_so_many_at_once_and_answers_in_order() {
        let traffic = Simulator::seeded(4).purchases(50);
        let (now, most) = (Cell::new(0), Cell::new(0));
        let answers = traffic.burst(7, async |post| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            tokio::task::yield_now().await;
            now.set(now.get() - 1);
            post
        });
        assert_eq!(answers.await, traffic.posts());
        assert_eq!(most.get(), 7);
    }
}

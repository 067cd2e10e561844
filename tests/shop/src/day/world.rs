//! The world around the shops: customers who pay, providers that send, and forgers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks_testkit::events::{Postback, WertOrder, wert_test};
use onramp_webhooks_testkit::provider::{Answer, FakeProvider, OrderSeries, WertRow};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::plan::{Course, Forgery, Outcome, Purchase};
use super::post::{Event, Post};

/// The time between the first order of another inbox and the beginning of the day.
const YESTERDAY: Duration = Duration::from_secs(20 * 3_600);

/// The number of purchases at the same time.
pub(super) const AT_ONCE: usize = 8;

/// The asset and the address of purchases at Kriptomat.
const ASSET: (&str, &str) = ("eth", "0xc9c87f267ae87702e80821c8cc5a559f6f33f2a0");

/// The purchases, the providers and the forged events so far.
pub(super) struct World {
    pub(super) purchases: Vec<Purchase>,
    pub(super) provider: FakeProvider,
    pub(super) post: Post,
    /// Set if the shops ask the providers' APIs.
    pub(super) is_confirming: bool,
    pub(super) seed: u64,
    /// The number of purchases that are finished.
    pub(super) finished: AtomicUsize,
    pub(super) forged: Mutex<BTreeMap<usize, Forged>>,
    /// The beginning of the day, before its first order.
    pub(super) begun: Timestamp,
}

/// A forged event, and the true one that it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Forged {
    pub(super) kind: Forgery,
    pub(super) event: Event,
    pub(super) true_event: Event,
}

impl World {
    /// Creates a world in which another inbox has received the orders of the day before.
    pub(super) fn new(purchases: Vec<Purchase>, provider: FakeProvider, post: Post, is_confirming: bool, seed: u64) -> Self {
        let (orders, every) = (purchases.len(), YESTERDAY / 2 / u32::try_from(purchases.len()).unwrap());
        provider.set_series(OrderSeries::new(orders as u64, now().before(YESTERDAY), every));
        Self {
            purchases,
            provider,
            post,
            is_confirming,
            seed,
            finished: AtomicUsize::new(0),
            forged: Mutex::default(),
            begun: now(),
        }
    }

    /// Sends the dashboard's test event, with which the inbox begins, and waits for the next second, because Wert's times are
    /// whole seconds.
    pub(super) async fn opening(&self, random: &mut Rng) {
        self.post.deliver(&Event::wert(wert_test()), random).await;
        let next_second = now().after(Duration::from_secs(1)).as_millis().div_euclid(1_000) * 1_000;
        SystemClock::default().sleep_until(Timestamp::from_millis(next_second)).await;
    }

    /// Begins the purchases `from..to`, several at a time.
    pub(super) fn begin(self: &Arc<Self>, from: usize, to: usize) -> JoinSet<()> {
        let (next, mut customers) = (Arc::new(AtomicUsize::new(from)), JoinSet::new());
        for _ in 0..AT_ONCE {
            let (world, next) = (Arc::clone(self), Arc::clone(&next));
            customers.spawn(async move {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    if position >= to {
                        return;
                    }
                    world.buy(position).await;
                }
            });
        }
        customers
    }

    /// Has one purchase made, with its forgery.
    pub(super) async fn buy(&self, position: usize) {
        let purchase = &self.purchases[position];
        let mut random = Rng::with_seed(self.seed ^ u64::try_from(purchase.number).unwrap());
        match &purchase.course {
            Course::Wert { order, outcome } => self.at_wert(purchase, order, *outcome, &mut random).await,
            Course::Kriptomat => self.at_kriptomat(purchase, &mut random).await,
        }
        if random.u8(0..5) == 0 {
            self.post.repeat_one(&mut random).await;
        }
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    async fn at_wert(&self, purchase: &Purchase, order: &WertOrder, outcome: Outcome, random: &mut Rng) {
        let (created, completed) =
            (now(), Event::wert(if outcome == Outcome::Failed { order.failed() } else { order.complete() }));
        if outcome == Outcome::Poisoned {
            self.provider.answer_about(order.id().unwrap(), Answer::status(500));
        }
        self.provider.set_row(WertRow::of(order, created).pending(if random.bool() { Value::Null } else { 0.into() }));
        let mut started = [order.payment_started(), order.transfer_started()].map(Event::wert);
        random.shuffle(&mut started);
        let comes_late = random.usize(0..=started.len());
        for event in &started[comes_late..] {
            self.post.deliver(event, random).await;
        }
        let forged = purchase.forgery.map(|kind| {
            let event = Event::wert(kind.of_order(order, &purchase.forger()));
            Forged { kind, event, true_event: completed.clone() }
        });
        self.forge(purchase, forged.as_ref(), Forgery::is_before_the_truth, random).await;
        self.provider.set_row(completed_row(purchase.number, order, outcome, created));
        if outcome != Outcome::Dropped {
            self.post.deliver(&completed, random).await;
        }
        self.forge(purchase, forged.as_ref(), |kind| !kind.is_before_the_truth(), random).await;
        for event in &started[..comes_late] {
            self.post.deliver(event, random).await;
        }
    }

    async fn at_kriptomat(&self, purchase: &Purchase, random: &mut Rng) {
        let paid = Event::kriptomat(self.widget(&purchase.customer, &purchase.fiat, random).await.json());
        let forged = match purchase.forgery {
            None => None,
            Some(kind) => {
                let event = match kind {
                    Forgery::OfUnpaidWidget => self.widget(&purchase.forger(), Forgery::CLAIM, random).await,
                    Forgery::Invented => claimed(Postback::new(), &purchase.forger(), Forgery::CLAIM),
                    _ => claimed(Postback::new().with("uuid", paid.json()["uuid"].clone()), &purchase.forger(), Forgery::CLAIM),
                };
                Some(Forged { kind, event: Event::kriptomat(event.json()), true_event: paid.clone() })
            }
        };
        self.forge(purchase, forged.as_ref(), Forgery::is_before_the_truth, random).await;
        self.post.deliver(&paid, random).await;
        self.forge(purchase, forged.as_ref(), |kind| !kind.is_before_the_truth(), random).await;
    }

    /// Starts a widget, and returns the postback that Kriptomat sends when it is paid.
    async fn widget(&self, customer: &str, fiat: &str, random: &mut Rng) -> Postback {
        let postback = claimed(Postback::new(), customer, fiat);
        if !self.is_confirming {
            return postback;
        }
        let (asset, address) = ASSET;
        let wish = json!({ "customer": customer, "fiat_amount": fiat, "asset": asset, "address": address, "network": asset });
        let bought = self.post.ask("/buy", wish.to_string(), random).await;
        let url = bought.json()["url"].as_str().unwrap().to_owned();
        let uuid = url.split("uuid=").nth(1).and_then(|rest| rest.split('&').next()).unwrap().to_owned();
        postback.with("uuid", uuid)
    }

    /// Sends a forged event if now is its time, and tries the doors that must be closed.
    async fn forge(&self, purchase: &Purchase, forged: Option<&Forged>, is_now: fn(Forgery) -> bool, random: &mut Rng) {
        let Some(forged) = forged.filter(|forged| is_now(forged.kind)) else { return };
        self.post.refused(&forged.event, random).await;
        self.forged.lock().unwrap().insert(purchase.number, forged.clone());
        self.post.deliver(&forged.event, random).await;
    }

    /// Counts the forged events of orders that do not exist.
    pub(super) fn invented(&self) -> usize {
        let forged = self.forged.lock().unwrap();
        forged.values().filter(|forged| forged.kind == Forgery::Invented && forged.order().is_some()).count()
    }

    /// Has the next requests to the providers' APIs fail.
    pub(super) fn api_fails(&self) {
        (0..3).for_each(|_| self.provider.answer_next(Answer::status(500)));
    }

    /// Has the APIs ask for a pause.
    pub(super) fn api_is_busy(&self) {
        self.provider.answer_next(Answer::status(429).header("retry-after", "3"));
    }

    /// Has the next responses of the APIs be of no use.
    pub(super) fn api_breaks_off(&self) {
        let useless = [Answer::close(), Answer::truncated_json(), Answer::html()];
        useless.into_iter().for_each(|answer| self.provider.answer_next(answer));
    }

    /// Ends the failures for single orders.
    pub(super) fn cure(&self) {
        for purchase in &self.purchases {
            if let Course::Wert { order, outcome: Outcome::Poisoned } = &purchase.course {
                self.provider.answer_about(order.id().unwrap(), Answer::truth());
            }
        }
    }
}

/// Returns the row of an order that is final. Some have other names of the crypto, or fewer digits.
fn completed_row(number: usize, order: &WertOrder, outcome: Outcome, created: Timestamp) -> WertRow {
    let row = WertRow::of(order, created).changed(now());
    let row = match number % 4 {
        0 => row.decimals(4),
        1 if order.complete().windows(5).any(|text| text == b"MATIC") => row.with("crypto", "pol"),
        _ => row,
    };
    if outcome == Outcome::Failed { row.status("failed") } else { row }
}

fn claimed(postback: Postback, customer: &str, fiat: &str) -> Postback {
    let (asset, address) = ASSET;
    postback.with("asset_type", asset).with("to_address", address).with("fiat_amount", fiat).additional_field("0", customer)
}

pub(super) fn now() -> Timestamp {
    SystemClock::default().now()
}

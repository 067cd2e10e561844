//! The requests that the providers and forgers send.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::event::Money;
use onramp_webhooks_testkit::events::{Postback, WertOrder, wert_account};

use crate::plan::{Plan, chance, millis};

/// The secret in the path of Wert's endpoint.
pub(crate) const SECRET: &str = "s3cret-for-the-simulation";

/// The address that Kriptomat sends from.
pub(crate) const KRIPTOMAT: &str = "174.138.2.203";

/// One body that is sent once or several times, by one sender.
#[derive(Debug)]
pub(crate) struct Post {
    /// The body, and the same content with other white space.
    pub(crate) bodies: [Bytes; 2],
    pub(crate) path: String,
    pub(crate) peer: Option<&'static str>,
    /// The order of Wert's that it belongs to.
    pub(crate) order: Option<String>,
    pub(crate) expects: Expects,
    /// Sent by the provider, and of a purchase or its order.
    pub(crate) is_genuine: bool,
    /// Its handler ends the process.
    pub(crate) is_poison: bool,
    /// The time of the first request.
    pub(crate) at: Duration,
    /// The number of acknowledgements after which the sender stops.
    pub(crate) copies: u32,
}

/// The response that a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// An acknowledgement. The delivery is kept.
    Acknowledgement,
    /// This status. Nothing is kept.
    Refusal(u16),
}

/// A purchase that the shop has to credit, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purchase {
    pub(crate) customer: String,
    pub(crate) crypto: Money,
    pub(crate) fiat: Money,
    /// Set if Wert's API has an order of this id.
    pub(crate) order: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Posts {
    pub(crate) all: Vec<Post>,
    pub(crate) purchases: Vec<Purchase>,
    of_body: BTreeMap<Bytes, usize>,
}

impl Posts {
    pub(crate) fn draw(plan: &Plan) -> Self {
        let mut posts = Self::default();
        (0..plan.orders).for_each(|number| posts.order(plan, number));
        (0..plan.purchases).for_each(|number| posts.postback(plan, number));
        (0..plan.forgeries).for_each(|number| posts.forgery(plan, number));
        posts.junk(plan);
        if plan.processes.poison > 0 {
            let poisoned = fastrand::usize(0..posts.all.len());
            posts.all.iter_mut().skip(poisoned).take(1).for_each(|post| post.is_poison = true);
        }
        posts
    }

    /// Returns the post with a body.
    pub(crate) fn of(&self, body: &[u8]) -> Option<(usize, &Post)> {
        let number = *self.of_body.get(body)?;
        self.all.get(number).map(|post| (number, post))
    }

    /// An order in Wert's widget, from the payment to its end.
    fn order(&mut self, plan: &Plan, number: u64) {
        let id = format!("01SIMULATED{number:015}");
        let (crypto, fiat) = (amount(8), amount(2));
        let order = WertOrder::new().with("id", id.clone()).click_id(format!("customer-{number}"));
        let order = order.crypto(&crypto, "BTC").fiat(&fiat, "USD");
        let is_completed = chance(0.8);
        let end = match is_completed {
            true => order.complete(),
            false if fastrand::bool() => order.failed(),
            false => order.canceled(),
        };
        let begins = millis(plan.chaos.as_millis() as u64);
        let mut at = begins;
        for body in [order.payment_started(), order.transfer_started(), end] {
            self.push(Post { order: Some(id.clone()), is_genuine: true, at, ..wert(body) });
            at += millis(if fastrand::bool() { 200 } else { 8_000 });
        }
        if is_completed {
            let purchase = Purchase {
                customer: format!("customer-{number}"),
                crypto: money(&crypto, "BTC"),
                fiat: money(&fiat, "USD"),
                order: Some(id.clone()),
            };
            self.purchases.push(purchase);
        }
        if !plan.is_calm && chance(0.3) {
            let changed = order.crypto(&amount(8), "BTC").complete();
            let at = begins + millis(10_000);
            self.push(Post { order: Some(id), at, copies: fastrand::u32(1..3), ..wert(changed) });
        }
    }

    /// A purchase of Kriptomat's.
    fn postback(&mut self, plan: &Plan, number: u64) {
        let (crypto, fiat, customer) = (amount(8), amount(2), format!("reader-{number}"));
        let postback =
            Postback::new().with("uuid", format!("00000000-0000-4000-8000-{number:012}")).with("amount", crypto.as_str());
        let postback = postback.with("fiat_amount", fiat.as_str()).additional_field("0", customer.as_str());
        let body = if fastrand::bool() { postback.json() } else { postback.form() };
        let at = millis(plan.chaos.as_millis() as u64);
        let form = body.first() != Some(&b'{');
        let post = Post { path: "/kriptomat".into(), peer: Some(KRIPTOMAT), is_genuine: true, at, ..wert(body.clone()) };
        self.push(if form { Post { bodies: [body.clone(), body], ..post } } else { post });
        self.purchases.push(Purchase { customer, crypto: money(&crypto, "eth"), fiat: money(&fiat, "EUR"), order: None });
    }

    /// A purchase that never was, by somebody who knows the secret, or does not, or sends from elsewhere.
    fn forgery(&mut self, plan: &Plan, number: u64) {
        let id = format!("01FORGED{number:018}");
        let order = WertOrder::new().with("id", id.clone()).click_id("thief").crypto(&amount(8), "BTC");
        let at = millis(if plan.is_calm { 2_000 } else { plan.chaos.as_millis() as u64 });
        let forged = Post { at, order: Some(id), copies: fastrand::u32(1..3), ..wert(order.complete()) };
        let forged = match fastrand::u8(0..4) {
            0 if !plan.is_calm => Post { path: "/wert/guessed-secret-number-1".into(), expects: Expects::Refusal(404), ..forged },
            1 if !plan.is_calm => {
                let body = Postback::new().with("uuid", format!("99999999-0000-4000-8000-{number:012}")).json();
                let (path, peer) = ("/kriptomat".into(), Some("203.0.113.9"));
                Post { bodies: [body.clone(), body], path, peer, order: None, expects: Expects::Refusal(403), ..forged }
            }
            _ => forged,
        };
        self.push(forged);
    }

    /// Everything else that arrives: unknown types, tests, logins, and bodies that cannot be read.
    fn junk(&mut self, plan: &Plan) {
        let test = WertOrder::new().click_id("test_click_id").without("id").event("test");
        let unknown = br#"{"type":"brand_new","click_id":"customer-0","news":{"a":1}}"#.as_slice().into();
        let broken = WertOrder::new().with("id", "01BROKEN").with("base_amount", "much").complete();
        let all = [test, unknown, broken, wert_account("login", "customer-0"), "not json".into(), "[]".into(), Bytes::new()];
        for body in all.into_iter().filter(|_| chance(0.4)) {
            let at = millis(plan.chaos.as_millis() as u64);
            self.push(Post { at, bodies: [body.clone(), body.clone()], copies: fastrand::u32(1..3), ..wert(body) });
        }
    }

    fn push(&mut self, post: Post) {
        for body in &post.bodies {
            self.of_body.insert(body.clone(), self.all.len());
        }
        self.all.push(post);
    }
}

/// A request as Wert sends it.
fn wert(body: Bytes) -> Post {
    let spaced = String::from_utf8_lossy(&body).replace("\":\"", "\": \"");
    Post {
        bodies: [body, spaced.into()],
        path: format!("/wert/{SECRET}"),
        peer: None,
        order: None,
        expects: Expects::Acknowledgement,
        is_genuine: false,
        is_poison: false,
        at: Duration::ZERO,
        copies: if chance(0.3) { fastrand::u32(2..4) } else { 1 },
    }
}

/// Returns an amount of up to this many decimal places, which is not zero.
fn amount(places: usize) -> String {
    format!("{}.{:0places$}", fastrand::u32(1..1_000), fastrand::u64(0..10_u64.pow(places as u32)))
}

fn money(amount: &str, code: &str) -> Money {
    Money::new(amount.parse().unwrap_or_else(|_| unreachable!("an amount")), code.into())
}

//! Checks against the providers' APIs, which a fake provider serves: only confirmed purchases are credited.

use std::collections::BTreeSet;
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks_testkit::events::{Postback, WertOrder};
use onramp_webhooks_testkit::provider::{Answer, FakeProvider, WertRow};
use serde_json::{Value, json};

use crate::event;
use crate::home::{Home, Subject};
use crate::launch::Launch;
use crate::shop::ShopProcess;
use crate::wait::{until, within};

/// The time limit for a reconciliation. It exceeds the pause between two runs plus the time to recover all missing events.
const LONGEST_RECONCILIATION: Duration = Duration::from_secs(60);

/// Configures a shop that checks purchases against the provider's API, and looks for missing events every second.
fn asking(home: &Home, provider: &FakeProvider) -> Launch {
    home.launch()
        .env("WERT_API_KEY", FakeProvider::API_KEY)
        .env("WERT_API_URL", &provider.url())
        .env("RECONCILE_EVERY", "1")
        .env("RECONCILE_GRACE", "0")
        .env("KRIPTOMAT_TOKEN", FakeProvider::TOKEN)
        .env("KRIPTOMAT_API_URL", &provider.url())
        .env("PUBLIC_URL", "https://shop.example")
}

fn order(customer: &str, fiat: &str) -> WertOrder {
    WertOrder::new().click_id(customer).fiat(fiat, "USD")
}

/// Only orders that Wert's API has are credited, and only with the same amount.
pub async fn only_confirmed_orders_are_credited(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    let shop = asking(&home, &provider).env("RECONCILE_EVERY", "3600").start().await;
    let (paid, raised, failed) = (order("ada", "35.5"), order("bob", "20"), order("eve", "10"));
    for (order, status) in [(&paid, "success"), (&raised, "success"), (&failed, "failed")] {
        provider.add_order(order, status);
    }
    let lie = raised.clone().fiat("2000", "USD");
    for event in [paid.complete(), lie.complete(), failed.complete(), order("mallory", "5000").complete()] {
        shop.wert(event).await.assert_received();
    }
    shop.has_handled(1).await;
    until("two are dead letters, and one is checked again", async || home.database().states() == [(3, 1), (4, 1), (5, 2)]).await;
    assert_eq!(home.database().points(), [("ada".to_owned(), "35.5".to_owned())].into());
    assert_eq!(shop.stop().await.handled().len(), 1);
}

/// One in ten events is dropped, some are forged, and the dropped ones arrive late.
pub async fn what_was_dropped_is_found_and_what_was_forged_is_not_credited(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    let orders: Vec<_> = (0..100).map(|number| order(&format!("customer-{}", number % 7), &format!("{number}.25"))).collect();
    let shop = asking(&home, &provider).start().await;
    let now = next_second();
    orders.iter().for_each(|order| provider.add_row(WertRow::of(order, now)));
    for (number, order) in orders.iter().enumerate() {
        if number % 10 != 3 {
            shop.wert(order.complete()).await.assert_received();
        }
        if number % 9 == 5 {
            shop.wert(self::order("mallory", "5000").complete()).await.assert_received();
        }
    }
    let exact: Vec<_> = (0..7).map(|customer| (format!("customer-{customer}"), points_of(customer))).collect();
    within(LONGEST_RECONCILIATION, "all paid purchases are credited", async || {
        (home.database().points() == exact.iter().cloned().collect()).then_some(())
    })
    .await;
    for order in orders.iter().skip(3).step_by(10) {
        shop.wert(order.complete()).await.assert_received();
    }
    assert_eq!(home.database().conflicts(), 0, "a late event is a duplicate of the reconciled one");
    // The line of a delivery is lost if the database answers its commit too late.
    assert!(shop.stop().await.handled().len() <= 100, "none is handled twice");
    assert_eq!(home.database().points(), exact.into_iter().collect());
}

/// The shop moves to another database, or has lost its own. The old one has handled the orders of the last days.
pub async fn a_new_database_pays_no_old_order(subject: Subject) {
    let (old, new, provider) = (Home::of(subject), Home::of(subject), FakeProvider::start().await);
    let paid = order("ada", "35.5");
    provider.add_row(WertRow::of(&paid, SystemClock::default().now().before(Duration::from_secs(3_600))));
    let shop = asking(&old, &provider).start().await;
    shop.wert(paid.complete()).await.assert_received();
    shop.has_handled(1).await;
    assert_eq!(old.database().points(), [("ada".to_owned(), "35.5".to_owned())].into());
    shop.stop().await;

    // Orders are looked at in the sequence of their creation, so one that is found later proves that the old one was looked at.
    let shop = asking(&new, &provider).start().await;
    let (first, dropped, while_stopped) = (order("zoe", "1"), order("bob", "20"), order("eve", "10"));
    provider.add_row(WertRow::of(&first, next_second()));
    shop.wert(first.complete()).await.assert_received();
    shop.has_handled(1).await;
    provider.add_row(WertRow::of(&dropped, next_second()));
    let pays = async |points: &[(&str, &str)]| {
        let points = points.iter().map(|(customer, points)| ((*customer).to_owned(), (*points).to_owned())).collect();
        within(LONGEST_RECONCILIATION, "what was dropped is found", async || (new.database().points() == points).then_some(()))
            .await;
    };
    pays(&[("zoe", "1"), ("bob", "20")]).await;
    shop.stop().await;
    provider.add_row(WertRow::of(&while_stopped, next_second()));
    let shop = asking(&new, &provider).start().await;
    pays(&[("zoe", "1"), ("bob", "20"), ("eve", "10")]).await;
    shop.stop().await;
}

/// Returns a time in the next second. Wert's times are whole seconds, so it is the beginning of that second in a row.
fn next_second() -> Timestamp {
    SystemClock::default().now().after(Duration::from_secs(1))
}

/// Returns the sum of `customer`, `customer + 7`, .. up to 99, plus a quarter for each term.
fn points_of(customer: usize) -> String {
    let numbers: Vec<_> = (customer..100).step_by(7).collect();
    let quarters = numbers.iter().sum::<usize>() * 4 + numbers.len();
    let (whole, rest) = (quarters / 4, ["", ".25", ".5", ".75"][quarters % 4]);
    format!("{whole}{rest}")
}

/// Only postbacks of widgets that the shop started are credited.
pub async fn only_the_postback_of_a_widget_that_was_started_is_credited(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    let shop = asking(&home, &provider).start().await;
    let wish = json!({ "customer": "ada", "fiat_amount": "35", "asset": "eth", "address": ADDRESS, "network": "eth" });
    let bought = shop.post("/buy", wish.to_string()).await;
    assert_eq!(bought.status, 200, "{bought:?}");
    let url = serde_json::from_slice::<Value>(&bought.body).unwrap()["url"].as_str().unwrap().to_owned();
    let uuid = url.split("uuid=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let asked = provider.requests().into_iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!(asked.json()["webhook_url"], "https://shop.example/webhooks/kriptomat");

    let postback = |uuid: &str, address: &str| {
        Postback::new()
            .with("uuid", uuid)
            .with("asset_type", "eth")
            .with("to_address", address)
            .with("fiat_amount", "35")
            .additional_field("0", "ada")
    };
    shop.kriptomat(postback("00000000-never-started", ADDRESS).json()).await.assert_received();
    shop.kriptomat(postback(&uuid, ADDRESS).json()).await.assert_received();
    shop.has_handled(1).await;
    until("the other waits for the operator", async || home.database().states() == [(4, 1), (5, 1)]).await;
    assert_eq!(shop.points("ada").await, "35");
    the_rest_is_refused(&shop).await;
}

/// A widget of 1 EUR pays nobody a million, and nobody else.
pub async fn a_postback_with_another_amount_or_customer_is_not_credited(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    let shop = asking(&home, &provider).start().await;
    for (amount, customer) in [("1000000", "mallory"), ("1000000", "ada"), ("1", "mallory"), ("1.00", "ada")] {
        let uuid = buys_for_one(&shop).await;
        let postback = Postback::new().with("uuid", uuid).with("fiat_amount", amount).additional_field("0", customer);
        shop.kriptomat(postback.json()).await.assert_received();
    }
    shop.has_handled(1).await;
    until("the others wait for the operator", async || home.database().states() == [(4, 1), (5, 3)]).await;
    assert_eq!((&*shop.points("ada").await, &*shop.points("mallory").await), ("1", "0"));
}

/// Starts a widget of 1 EUR for `ada`, and returns its uuid.
async fn buys_for_one(shop: &ShopProcess) -> String {
    let bought = shop.post("/buy", r#"{"customer":"ada","fiat_amount":"1","asset":"eth"}"#).await;
    assert_eq!(bought.status, 200, "{bought:?}");
    let body = bought.json();
    let (_, uuid) = body["url"].as_str().unwrap().split_once("uuid=").unwrap();
    uuid.split('&').next().unwrap().to_owned()
}

/// Neither a large request nor many of them fill the memory or the database.
pub async fn purchase_requests_are_limited_in_size_and_number(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    let shop = asking(&home, &provider).env("BUY_LIMIT", "2").start().await;
    let large = format!(r#"{{"customer":"{}"}}"#, "x".repeat(16 * 1024));
    assert_eq!(shop.post("/buy", large).await.status, 413);
    let (paid, _) = (buys_for_one(&shop).await, buys_for_one(&shop).await);
    let refused = shop.post("/buy", r#"{"customer":"ada"}"#).await;
    assert_eq!((refused.status, &refused.json()["error"]), (429, &json!("too many purchases wait for payment")));
    assert_eq!(provider.requests().iter().filter(|seen| seen.method == "POST").count(), 2);

    shop.kriptomat(Postback::new().with("uuid", paid).with("fiat_amount", "1").additional_field("0", "ada").json()).await;
    shop.has_handled(1).await;
    buys_for_one(&shop).await;
}

const ADDRESS: &str = "0xc9c87f267ae87702e80821c8cc5a559f6f33f2a0";

async fn the_rest_is_refused(shop: &ShopProcess) {
    for wish in ["null", "{}", r#"{"customer":"ada","fiat_amount":"a lot"}"#, r#"{"customer":"ada","size":"1"}"#] {
        assert_eq!(shop.post("/buy", wish.to_owned()).await.status, 400, "{wish}");
    }
}

/// While the provider is unavailable, nothing is credited or lost, and no attempt is used.
pub async fn a_provider_that_is_away_is_waited_for(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    let shop = asking(&home, &provider).start().await;
    let paid = order("ada", "35.5");
    provider.add_order(&paid, "success");
    provider.answer_always(Answer::status(503));
    shop.wert(paid.complete()).await.assert_received();
    until("it is parked", async || home.database().states() == [(3, 1)]).await;
    assert_eq!(shop.post("/buy", r#"{"customer":"ada","asset":"eth"}"#.to_owned()).await.status, 503);
    assert_eq!(shop.points("ada").await, "0");
    provider.answer_always(Answer::truth());
    shop.has_handled(1).await;
    assert_eq!(shop.points("ada").await, "35.5");
}

/// Many purchases of one provider wait for its API, which responds slowly. An event of another provider needs no API.
pub async fn a_slow_api_holds_up_no_other_provider(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    provider.answer_always(Answer::truth().after(Duration::from_secs(2)));
    let confirming = home.launch().env("WERT_API_KEY", FakeProvider::API_KEY).env("WERT_API_URL", &provider.url());
    let shop = confirming.env("RECONCILE_EVERY", "3600").start().await;
    for _ in 0..600 {
        shop.wert(order("ada", "35.5").complete()).await.assert_received();
    }
    until("the API is asked", async || !provider.requests().is_empty()).await;
    shop.kriptomat(event::postback("1", "bob", "20")).await.assert_received();
    shop.has_handled(1).await;
    assert_eq!(shop.points("bob").await, "20");
    assert_eq!(home.database().waiting(), 600);
}

/// Hardly an event of a flood is asked about again before the true ones in it have been asked about: at most as many as one claim takes,
/// because checks of several claims run at the same time. The API is so slow that many fall due again meanwhile.
pub async fn a_flood_of_forged_events_is_not_asked_about_twice_before_true_ones(subject: Subject) {
    let (home, provider) = (Home::of(subject), FakeProvider::start().await);
    let receiver = home.launch().env("HANDLE", "no").start().await;
    let forge = async |events: usize| {
        for _ in 0..events {
            receiver.wert(order("mallory", "5000").complete()).await.assert_received();
        }
    };
    forge(240).await;
    let paid: Vec<_> = (0..20).map(|_| order("ada", "1")).collect();
    for order in &paid {
        provider.add_order(order, "success");
        receiver.wert(order.complete()).await.assert_received();
    }
    // With these, no claim has room for both a true one and one that is due again.
    forge(60).await;
    receiver.stop().await;
    provider.answer_always(Answer::truth().after(Duration::from_millis(500)));
    let shop = asking(&home, &provider).env("RECONCILE_EVERY", "3600").start().await;
    shop.has_handled(20).await;
    assert_eq!(shop.points("ada").await, "20");
    let requests = provider.requests();
    let ids = requests.iter().filter_map(|request| request.parameter("search_by")).flat_map(|ids| ids.split(','));
    let mut paid: BTreeSet<_> = paid.iter().map(|paid| paid.id().unwrap()).collect();
    let mut asked = BTreeSet::new();
    let mut again = 0;
    for id in ids {
        again += usize::from(!asked.insert(id));
        paid.remove(id);
        if paid.is_empty() {
            break;
        }
    }
    assert!(paid.is_empty() && again <= 64, "{again} came first, {} were not asked about", paid.len());
}

//! The documented events, and the points that they are credited with.

use crate::event::{order_complete, postback};
use crate::fixture::{self, Fixture};
use crate::home::{Home, Subject};

/// Each event gets a 200 and prints one line, and the points are the sum of the completed purchases.
pub async fn every_fixture_is_acknowledged_and_handled_once(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    for (nth, fixture) in Fixture::all().iter().enumerate() {
        fixture.send(&shop).await.assert_received();
        shop.has_handled(nth + 1).await;
        let handled = shop.handled().pop().unwrap();
        assert_eq!(handled["provider"], fixture.provider.as_str(), "{}", fixture.name);
        assert_eq!(handled["type"], fixture.type_name(), "{}", fixture.name);
        assert_eq!(handled["key"].is_null(), fixture.is_test(), "{}", fixture.name);
        assert_eq!(handled["attempt"], 1, "{}", fixture.name);
        assert!(handled["delivery"].is_string(), "{}", fixture.name);
    }
    for (customer, points) in fixture::points() {
        assert_eq!(shop.points(&customer).await, points, "{customer}");
    }
    assert_eq!(shop.stop().await.handled().len(), Fixture::all().len());
    assert_eq!(home.database().points(), fixture::points());
}

/// Events that are sent three times get a 200 each time. Only the dashboard's test event is handled three times.
pub async fn what_comes_again_is_acknowledged_and_only_a_test_is_handled_again(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    for _ in 0..3 {
        for fixture in Fixture::all() {
            fixture.send(&shop).await.assert_received();
        }
    }
    home.database().settled().await;
    let handled = shop.stop().await.handled();
    let tests = handled.iter().filter(|line| line["type"] == "test").count();
    assert_eq!((tests, handled.len()), (3, Fixture::all().len() + 2));
    assert_eq!(home.database().points(), fixture::points());
}

/// The commands of the README, and their documented output.
pub async fn the_readme_is_right(subject: Subject) {
    let readme = include_str!("../../../../examples/shop/README.md");
    let between = |begin: &str, end: &str| readme.split_once(begin).unwrap().1.split_once(end).unwrap().0;
    let event = between("curl http://127.0.0.1:8080/webhooks/wert/dev-secret -d '", "'");
    let line: serde_json::Value = serde_json::from_str(between("```json", "```")).unwrap();
    let (home, shop) = Home::started(subject).await;
    for _ in 0..2 {
        let reply = shop.wert(event).await;
        assert!(readme.contains(&format!("\n{}\n", String::from_utf8_lossy(&reply.body))));
    }
    shop.has_handled(1).await;
    let points = shop.get("/points/customer-42").await;
    assert!(readme.contains(&format!("\n{}\n", String::from_utf8_lossy(&points.body))));
    shop.wert(event.replace("1271.39", "9000")).await.assert_received();
    home.database().settled().await;
    let ended = shop.stop().await;
    assert_eq!(ended.handled(), [line]);
    assert!(ended.stderr.contains("conflict"), "{}", ended.stderr);
}

/// A purchase without a customer becomes a dead letter, and no points are credited.
pub async fn a_purchase_of_nobody_waits_for_an_operator(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    shop.wert(order_complete("1", "", "5")).await.assert_received();
    home.database().settled().await;
    let ended = shop.stop().await;
    assert!(ended.handled().is_empty());
    assert!(ended.stderr.contains("names no customer"), "{}", ended.stderr);
}

/// Sums decimals with many digits, from both providers, in plain notation.
pub async fn points_are_exact_to_the_last_digit(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    shop.wert(order_complete("1", "ada", "0.10")).await.assert_received();
    shop.wert(order_complete("2", "ada", "0.2")).await.assert_received();
    shop.kriptomat(postback("3", "ada", "99999999999999999999.7")).await.assert_received();
    shop.wert(order_complete("4", "bob", "200.00")).await.assert_received();
    shop.wert(order_complete("5", "eve", "1283.501000")).await.assert_received();
    shop.wert(order_complete("6", "eve", "0.000000000000000001")).await.assert_received();
    shop.has_handled(6).await;
    assert_eq!(shop.points("ada").await, "100000000000000000000");
    assert_eq!(shop.points("bob").await, "200");
    assert_eq!(shop.points("eve").await, "1283.501000000000000001");
}

/// An unknown customer has `"0"` points, with any name.
pub async fn strangers_have_no_points(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    for (path, name) in [("nobody", "nobody"), ("J%C3%B6rg%20%2F%20x", "Jörg / x"), ("'%20OR%20true", "' OR true")] {
        let reply = shop.get(&format!("/points/{path}")).await;
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.json(), serde_json::json!({ "customer": name, "points": "0" }));
    }
    assert_eq!(shop.get("/healthz").await.status, 200);
}

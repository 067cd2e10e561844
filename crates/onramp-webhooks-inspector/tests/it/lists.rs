//! Lists, orders, and the overview.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeliveryId, Settled};
use onramp_webhooks::{Inbox, Receiver, Wert};
use onramp_webhooks_testkit::events::WertOrder;
use serde_json::Value;

use crate::tools::{COMPLETE, NOW, READER, TOKEN, Under};

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let under = Under::with_tokens();
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.insert(0, under.record(COMPLETE).await.to_string());
    }
    let (mut found, mut address) = (Vec::new(), "/api/deliveries?limit=3".to_owned());
    loop {
        let page = under.get(READER, &address).await.json();
        found.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(page["complete"], false);
        address = format!("/api/deliveries?limit=3&before={next}");
    }
    assert_eq!(found, expected);

    let (mut found, mut address) = (Vec::new(), "/api/deliveries?limit=3&oldest_first=true".to_owned());
    loop {
        let page = under.get(READER, &address).await.json();
        found.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        address = format!("/api/deliveries?limit=3&oldest_first=true&after={next}");
    }
    expected.reverse();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_row_has_the_purchase_in_exact_text() {
    let under = Under::with_tokens();
    under.record(br#"{"type":"order_complete","click_id":"c","order":{"id":"1","base":"ETH","base_amount":"0.10","quote":"EUR","quote_amount":9007199254740993.10}}"#).await;
    let list = under.get(READER, "/api/deliveries").await;
    let purchase = &list.json()["data"][0]["purchase"];
    assert_eq!(purchase["fiat"], serde_json::json!({ "amount": "9007199254740993.10", "currency": "EUR" }));
    assert_eq!(purchase["crypto"]["amount"], "0.10");
}

#[tokio::test]
async fn filters_and_given_ids_are_applied() {
    let under = Under::with_tokens();
    let handled = under.settled(COMPLETE, Settled::Handled).await.to_string();
    let dead = under.dead(COMPLETE, "insert into points: no such column").await.to_string();
    for (query, expected) in [
        ("state=dead", vec![&dead]),
        ("state=dead,handled", vec![&dead, &handled]),
        ("state=dead&resolved=true", vec![]),
        ("error=into%20points", vec![&dead]),
        ("reason=exhausted", vec![&dead]),
        ("reason=check", vec![]),
        ("type=order_complete&endpoint=wert&provider=wert", vec![&dead, &handled]),
        ("since=2023-11-14T22:13:20Z", vec![&dead, &handled]),
        ("until=2023-11-14T22:13:20Z", vec![]),
        (&format!("id={handled}&id=99&id={dead}"), vec![&handled, &dead]),
    ] {
        let found = under.get(TOKEN, &format!("/api/deliveries?{query}")).await;
        assert_eq!(ids(&found.json()).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    under.get(TOKEN, "/api/deliveries?stat=dead").await.assert_problem(400);
    under.get(TOKEN, &format!("/api/deliveries?id={handled}&state=dead")).await.assert_problem(400);
}

#[tokio::test]
async fn an_order_is_found_by_its_id_and_has_all_its_events() {
    let under = Under::with_tokens();
    let mut expected = Vec::new();
    for event in ["payment_started", "order_complete"] {
        let key = DedupKey::new("wert", "order", "a/b c", event);
        expected.push(under.record_as("wert", COMPLETE, |delivery| delivery.key = Some(key)).await.to_string());
    }
    under.record(COMPLETE).await;
    assert_eq!(ids(&under.get(READER, "/api/orders/wert/order/a%2Fb%20c").await.json()), expected);
    let found = under.post(READER, "/api/find", r#"{"text":" a/b c "}"#).await.json();
    assert_eq!(ids(&found).into_iter().rev().collect::<Vec<_>>(), expected);
    assert!(ids(&under.post(READER, "/api/find", r#"{"text":"other"}"#).await.json()).is_empty());
}

#[tokio::test]
async fn the_overview_has_what_needs_attention_and_its_query_finds_it() {
    let under = Under::with_tokens();
    let calm = under.get(READER, "/api/overview").await.json();
    assert_eq!((calm["title"].as_str(), calm["attention"].as_array().map(Vec::len)), (Some("Shop"), Some(0)));
    for _ in 0..3 {
        under.dead(COMPLETE, "insert into points: column 7 is missing").await;
    }
    under.quarantined(b"{}", "order: missing").await;
    under.clock.advance(Duration::from_secs(1));
    let overview = under.get(READER, "/api/overview").await.json();
    assert_eq!((overview["counts"]["dead"].as_str(), overview["counts"]["quarantined"].as_str()), (Some("3"), Some("1")));
    let item = &overview["attention"][0];
    assert_eq!(
        (item["kind"].as_str(), item["count"].as_str(), item["purchases"].as_str()),
        (Some("dead_letters"), Some("3"), Some("3"))
    );
    assert_eq!(item["money"], serde_json::json!(["750.00 USD"]));
    assert_eq!(item["reason"], "exhausted");
    under.inbox.resolve(NOW, DeliveryId::from_i64(1), "").await.unwrap();
    let found = under.get(READER, &format!("/api/deliveries?{}", item["query"].as_str().unwrap())).await.json();
    assert_eq!(
        (ids(&found), &found["data"][0]["reason"], &found["data"][0]["cause"]),
        (vec!["3".to_owned(), "2".to_owned()], &"exhausted".into(), &"attempts used up".into())
    );
}

#[tokio::test]
async fn a_conflict_is_compared_with_the_first_delivery() {
    let under = Under::with_tokens();
    let receiver = Receiver::builder(Arc::clone(&under.inbox)).endpoint(Wert::without_path_secret()).build().unwrap();
    let order = WertOrder::new().click_id("shop-20418");
    for body in [order.complete(), order.clone().fiat("950.00", "USD").click_id("shop-20419").complete()] {
        let reply = receiver.receive(&Request::new("POST", "/wert", None, &[]), Full::new(body)).await;
        assert_eq!(reply.status(), 200);
    }
    let compared = under.get(READER, "/api/deliveries/2/comparison").await;
    let json = compared.json();
    assert_eq!((&json["first"]["id"], &json["second"]["id"]), (&"1".into(), &"2".into()));
    assert_eq!(json["second"]["purchase"]["fiat"]["amount"], "950.00");
    let differences = json["differences"].as_array().unwrap();
    let amount = differences.iter().find(|it| it["path"] == "order.quote_amount").unwrap();
    assert_eq!(amount["second"], "\"950.00\"");
    assert!(differences.iter().any(|it| it["path"] == "click_id") && !compared.text().contains("shop-2041"), "{json}");
    under.get(READER, "/api/deliveries/1/comparison").await.assert_problem(409);
    under.get(READER, "/api/deliveries/9/comparison").await.assert_problem(404);
    under.post(TOKEN, "/api/deliveries/2/comparison", "{}").await.assert_problem(405);
    under.inbox.forget(DeliveryId::from_i64(2)).await.unwrap();
    under.get(TOKEN, "/api/deliveries/2/comparison").await.assert_problem(409);
}

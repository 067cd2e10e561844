//! Queries for orders.

use futures_util::TryStreamExt as _;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks_client::wert::{OrderStatus, OrdersQuery, WertDataApi};
use onramp_webhooks_client::{ClientError, ClientErrorKind};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};

use super::tools::{provider_with, wert};

/// 2026-01-01 00:00:02 UTC, when the fake provider's first order was made. Each is a minute after the one before it.
const FIRST: i64 = 1_767_225_602;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

#[tokio::test]
async fn an_order_is_read() {
    let provider = FakeProvider::start().await;
    let order = WertOrder::new().click_id("customer-7").fiat("4.79", "USD").crypto("5", "matic.sc.polygon");
    provider.add_order(&order, "success");
    let row = wert(&provider).build().unwrap().find_order(&order.id().unwrap().into()).await.unwrap().unwrap();
    assert_eq!(row.order_id.as_str(), order.id().unwrap());
    assert_eq!(row.click_id.unwrap().as_str(), "customer-7");
    assert_eq!(row.status, Some(OrderStatus::Success));
    assert_eq!((row.currency.unwrap().as_str(), row.currency_amount.unwrap().as_str()), ("usd", "4.79"));
    assert_eq!((row.crypto.unwrap().as_str(), row.crypto_amount.unwrap().as_str()), ("matic.sc.polygon", "5"));
    assert_eq!((row.created_at, row.changed_at), (Some(at(FIRST)), Some(at(FIRST + 45))));
    assert_eq!(row.partner_fee, Some("0.05".parse().unwrap()));
    assert_eq!(row.extra.len(), 1, "card_id");
}

#[tokio::test]
async fn every_parameter_is_sent_as_documented() {
    let provider = FakeProvider::start().await;
    let query = OrdersQuery::new().limit(7).oldest_first().after(at(FIRST)).until(at(FIRST + 3_600)).search("A").search("B & C");
    wert(&provider).build().unwrap().orders(&query).await.unwrap();
    let [seen] = <[_; 1]>::try_from(provider.requests()).unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/api/external/orders"));
    let query: Vec<_> = seen.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        query,
        [
            ("limit", "7"),
            ("order_by", "asc"),
            ("search_by", "A,B & C"),
            ("start_date", "2026-01-01T00:00:02Z"),
            ("end_date", "2026-01-01T01:00:02Z"),
        ]
    );
}

#[tokio::test]
async fn a_path_in_the_base_address_is_kept() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::json(200, &serde_json::json!({ "success": true, "data": [] })));
    let wert = WertDataApi::at(format!("{}/gateway/", provider.url()), "key").build().unwrap();
    wert.orders(&OrdersQuery::new()).await.unwrap();
    assert_eq!(provider.requests()[0].path, "/gateway/api/external/orders");
}

#[tokio::test]
async fn times_bound_what_is_found() {
    let (provider, ids) = provider_with(10).await;
    let query = OrdersQuery::new().oldest_first().after(at(FIRST + 60)).until(at(FIRST + 240));
    let page = wert(&provider).build().unwrap().orders(&query).await.unwrap();
    let found: Vec<_> = page.rows.iter().map(|row| row.order_id.as_str()).collect();
    assert_eq!(found, ids[2..=4]);
}

#[tokio::test]
async fn orders_are_found_twenty_a_request_and_only_those() {
    let (provider, ids) = provider_with(60).await;
    let mut wanted: Vec<_> = ids.iter().take(45).map(|id| id.as_str().into()).collect();
    wanted.push("01GMAPHCFE06G3Y8FG2KW9BAM0".into());
    let found = wert(&provider).build().unwrap().find_orders(&wanted).await.unwrap();
    assert_eq!(found.len(), 45);
    assert!(wanted.iter().take(45).all(|id| found[id].order_id == *id));
    let searches: Vec<_> =
        provider.requests().iter().map(|seen| seen.parameter("search_by").unwrap().split(',').count()).collect();
    assert_eq!(searches, [20, 20, 6]);
}

#[tokio::test]
async fn nothing_is_asked_for_no_order() {
    let provider = FakeProvider::start().await;
    assert!(wert(&provider).build().unwrap().find_orders(&[]).await.unwrap().is_empty());
    assert_eq!(provider.requests(), []);
}

#[tokio::test]
async fn a_click_id_that_pretends_to_be_an_order_is_not_that_order() {
    let (provider, ids) = provider_with(1).await;
    for _ in 0..30 {
        provider.add_order(&WertOrder::new().click_id(ids[0].as_str()).fiat("99999.00", "USD"), "success");
    }
    let wert = wert(&provider).build().unwrap();
    let found = wert.find_orders(&[ids[0].as_str().into()]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(provider.requests().len(), 2);
    assert_eq!(found.values().next().unwrap().currency_amount, Some("250".parse().unwrap()));
    assert_eq!(wert.find_by_click(&ids[0].as_str().into()).await.unwrap().len(), 30);
}

#[tokio::test]
async fn a_query_that_breaks_a_rule_is_not_sent() {
    let provider = FakeProvider::start().await;
    let wert = wert(&provider).build().unwrap();
    let many = (0..21).fold(OrdersQuery::new(), |query, id| query.search(id.to_string()));
    let long = OrdersQuery::new().search("x".repeat(1 << 20));
    for query in [OrdersQuery::new().limit(21), OrdersQuery::new().search("a,b"), OrdersQuery::new().search(" "), many, long] {
        assert!(!format!("{query:?}").contains("xx"), "{query:?}");
        let error: ClientError = wert.orders(&query).await.unwrap_err();
        assert_eq!((error.kind(), error.is_unsent()), (ClientErrorKind::Invalid, true));
    }
    wert.find_by_click(&"a,b".into()).await.unwrap_err();
    assert_eq!(provider.requests(), []);
}

#[tokio::test]
async fn a_stream_gives_every_order_once() {
    let (provider, ids) = provider_with(45).await;
    let rows = wert(&provider).build().unwrap().stream(OrdersQuery::new().oldest_first());
    let found: Vec<String> = rows.map_ok(|row| row.order_id.into()).try_collect().await.unwrap();
    assert_eq!(found, ids);
}

//! The fake provider over a plain socket.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::tools::soon;

/// Reads until the connection is closed, at most a mebibyte.
async fn send(provider: &FakeProvider, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(provider.address).await.unwrap();
    let request = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset also ends the response.
    let _ = soon("an answer", socket.take(1 << 20).read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// Half a second after 2026-10-21 07:28:00 UTC.
const NOW: Timestamp = Timestamp::from_millis(1_792_567_680_500);

async fn orders(provider: &FakeProvider, query: &str) -> String {
    send(provider, &format!("GET /api/external/orders?{query} HTTP/1.1\r\nX-API-KEY: {}", FakeProvider::API_KEY), "").await
}

fn json(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn orders_are_told_to_who_has_the_key() {
    let provider = FakeProvider::start().await;
    let order = WertOrder::new().click_id("customer-7").crypto("0.5", "ETH");
    provider.add_order(&order, "pending");
    let body = json(&orders(&provider, "").await);
    assert_eq!(body["data"][0]["order_id"], order.id().unwrap());
    assert_eq!((&body["data"][0]["crypto_amount"], &body["data"][0]["status"]), (&json!(0.5), &json!("pending")));
    assert_eq!((body.get("total"), body.get("next_cursor_id")), (None, None));
    assert!(send(&provider, "GET /api/external/orders HTTP/1.1", "").await.starts_with("HTTP/1.1 401 "));
    assert!(send(&provider, "GET /elsewhere HTTP/1.1", "").await.starts_with("HTTP/1.1 404 "));
    assert!(orders(&provider, "limit=21").await.starts_with("HTTP/1.1 400 "));
    assert_eq!(provider.requests()[3].parameter("limit"), Some("21"));
    provider.forget_orders();
    assert_eq!(json(&orders(&provider, "").await)["data"], json!([]));
}

#[tokio::test]
async fn a_search_for_a_term_has_its_own_response() {
    let provider = FakeProvider::start().await;
    provider.add_order(&WertOrder::new(), "success");
    provider.answer_about("poison", Answer::status(500));
    for (query, status) in
        [("search_by=poison", 500), ("search_by=A,poison,B", 500), ("search_by=poisonous", 200), ("", 200), ("limit=1", 200)]
    {
        assert!(orders(&provider, query).await.starts_with(&format!("HTTP/1.1 {status} ")), "{query}");
    }
}

#[tokio::test]
async fn a_row_is_replaced_until_it_is_final() {
    let provider = FakeProvider::start().await;
    let (order, other) =
        (WertOrder::new().click_id("customer-7").crypto("12.345650", "MATIC"), WertOrder::new().click_id("customer-7"));
    provider.set_row(WertRow::of(&order, NOW).pending(0));
    provider.set_row(WertRow::of(&other, NOW).pending(Value::Null));
    let found = async |term: &str| json(&orders(&provider, &format!("order_by=asc&search_by={term}")).await)["data"].take();
    let rows = found("customer-7").await;
    assert_eq!([&rows[0]["status"], &rows[1]["status"]], ["pending", "pending"]);
    assert_eq!((&rows[0]["crypto_amount"], &rows[1]["currency_amount"]), (&json!(0), &Value::Null));

    let last = NOW.after(Duration::from_secs(90));
    provider.set_row(WertRow::of(&order, NOW).changed(last).decimals(4).with("crypto", "pol").with("click_id", "customer-8"));
    let rows = found("customer-8").await;
    assert_eq!(
        (&rows[0]["status"], &rows[0]["crypto"], &rows[0]["crypto_amount"]),
        (&json!("success"), &json!("pol"), &json!(12.3457))
    );
    assert_eq!((&rows[0]["created_at"], &rows[0]["changed_at"]), (&json!("2026-10-21 07:28:00"), &json!("2026-10-21 07:29:30")));
    assert_eq!(found("customer-7").await.as_array().unwrap().len(), 1, "no longer found under its old customer");
    assert_eq!(json(&orders(&provider, "").await)["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_million_orders_are_computed() {
    let provider = FakeProvider::start().await;
    let (day, million) = (Duration::from_secs(24 * 3_600), 1_000_000);
    let series = OrderSeries::new(million, NOW.before(day), day / 1_000_000);
    provider.set_series(series);
    let latest = WertOrder::new().click_id("customer-17");
    provider.add_row(WertRow::of(&latest, NOW));
    let page = async |query: &str| json(&orders(&provider, query).await);
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|row| row["order_id"].as_str().unwrap().to_owned()).collect()
    };
    let id = |number: u64| series.order(number).id().unwrap().to_owned();

    let newest = page("limit=2").await;
    assert_eq!(ids(&newest), [latest.id().unwrap().to_owned(), id(million - 1)]);
    let cursor = newest["next_cursor_id"].as_str().unwrap();
    assert_eq!(ids(&page(&format!("limit=2&cursor_id={cursor}")).await), [id(million - 2), id(million - 3)]);
    assert_eq!(
        ids(&page(&format!("order_by=asc&cursor_id={}", id(million - 2))).await),
        [id(million - 1), latest.id().unwrap().into()]
    );
    assert_eq!(
        ids(&page("order_by=asc&limit=1&start_date=2026-10-20T19:28:00Z").await),
        [id(500_006)],
        "the first of the next second"
    );
    assert_eq!(ids(&page("limit=1&end_date=2026-10-20T19:28:00Z").await), [id(500_005)], "the last of that second");
    assert_eq!(ids(&page(&format!("order_by=asc&search_by=unknown,{},{}", id(123_456), id(0))).await), [id(0), id(123_456)]);
    assert_eq!(ids(&page("order_by=asc&limit=2&search_by=customer-17").await), [id(17), id(117)]);
    assert_eq!(ids(&page("limit=2&search_by=customer-17").await), [latest.id().unwrap().to_owned(), id(999_917)]);
    let none = ["cursor_id=unknown", "search_by=customer-100", "search_by=customer-017", "start_date=2026-10-21T07:28:00Z"];
    for query in none {
        assert_eq!(page(query).await["data"], json!([]), "{query}");
    }
    let row = page(&format!("search_by={}", id(999_999))).await["data"][0].take();
    assert_eq!(
        (&row["created_at"], &row["click_id"], &row["status"]),
        (&json!("2026-10-21 07:28:00"), &json!("customer-99"), &json!("success"))
    );
    provider.page_by(Paging::Offset);
    assert_eq!(page("limit=0&search_by=customer-17").await["total"], json!(10_001));
}

#[tokio::test]
async fn pages_follow_one_another() {
    let provider = FakeProvider::start().await;
    (0..12).for_each(|_| provider.add_order(&WertOrder::new(), "success"));
    let first = json(&orders(&provider, "").await);
    let cursor = first["next_cursor_id"].as_str().unwrap();
    assert_eq!((first["data"].as_array().unwrap().len(), &first["data"][9]["order_id"]), (10, &json!(cursor)));
    let second = json(&orders(&provider, &format!("cursor_id={cursor}")).await);
    assert_eq!((second["data"].as_array().unwrap().len(), second.get("next_cursor_id")), (2, None));
    provider.page_by(Paging::Offset);
    let second_by_offset = json(&orders(&provider, "offset=10").await);
    assert_eq!((&second_by_offset["data"], &second_by_offset["total"]), (&second["data"], &json!(12)));
}

#[tokio::test]
async fn a_widget_is_started_for_who_has_the_token() {
    let provider = FakeProvider::start().await;
    let init = async |body: Value| send(&provider, "POST /widget/init HTTP/1.1", &body.to_string()).await;
    let body = json(&init(json!({ "token": FakeProvider::TOKEN, "asset_type": "eth" })).await);
    assert_eq!(body["status"], "true");
    assert!(body["data"]["url"].as_str().unwrap().starts_with("https://widget.kriptomat.io/?asset_type=eth&uuid="));
    assert!(init(json!({ "token": "another" })).await.starts_with("HTTP/1.1 401 "));
    for rule in [json!({ "to_address": "0x1" }), json!({ "amount": 1 }), json!({ "amount": "1", "amount_type": "fiat" })] {
        let mut asked = json!({ "token": FakeProvider::TOKEN });
        asked.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        assert!(init(asked).await.starts_with("HTTP/1.1 422 "), "{rule}");
    }
}

#[tokio::test]
async fn scripted_answers_come_in_their_order_and_then_the_usual_one() {
    let provider = FakeProvider::start().await;
    provider.answer_next(Answer::status(429).header("retry-after", "86400").after(Duration::from_millis(10)));
    provider.answer_next(Answer::close());
    provider.answer_next(Answer::cut_off());
    provider.answer_next(Answer::endless());
    provider.answer_always(Answer::redirect("http://192.0.2.1/"));
    let busy = orders(&provider, "").await;
    assert!(busy.starts_with("HTTP/1.1 429 ") && busy.contains("retry-after: 86400\r\n"), "{busy}");
    assert_eq!(orders(&provider, "").await, "");
    assert!(!orders(&provider, "").await.ends_with("0\r\n\r\n"));
    assert_eq!(orders(&provider, "").await.len(), 1 << 20);
    for _ in 0..2 {
        assert!(orders(&provider, "").await.contains("location: http://192.0.2.1/\r\n"));
    }
    assert_eq!(provider.requests().len(), 6);
}

#[tokio::test]
async fn who_drops_it_closes_its_connections() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::never());
    let mut socket = TcpStream::connect(provider.address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    drop(provider);
    let mut answer = Vec::new();
    let _ = soon("the end", socket.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
}

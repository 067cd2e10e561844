//! Accepted requests, and replies to invalid ones.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Connection, Response, answer_to};
use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};
use crate::shop::ShopProcess;
use crate::wait::until;

/// A secret is compared after percent-decoding, slashes included.
pub async fn a_secret_may_hold_any_character(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("WERT_SECRET", "s/e c%r?t+ä").start().await;
    shop.post("/webhooks/wert/s/e%20c%25r%3Ft+%C3%A4", order_complete("1", "ada", "1")).await.assert_received();
    shop.post("/webhooks/wert/s%2Fe%20c%25r%3Ft%2B%C3%A4/", order_complete("2", "ada", "1")).await.assert_received();
    shop.post("/webhooks/wert/dev-secret", order_complete("3", "ada", "1")).await.assert_problem(404);
    assert!(!shop.log().contains("s/e c"), "the log contains the secret");
}

/// The status is 403, and standard error contains a line with the address and the length of the list.
pub async fn an_address_off_the_list_is_denied_and_the_log_says_why(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "174.138.2.203, 10.0.0.0/8").start().await;
    shop.kriptomat(postback("1", "ada", "1")).await.assert_problem(403);
    until("the log contains the reason", async || {
        shop.log().lines().any(|line| line.contains("127.0.0.1") && line.contains("2 entries"))
    })
    .await;
    assert_eq!(home.database().deliveries(), 0);
}

/// Only the address that the proxy appended is used, and not the addresses that the client sent before it.
pub async fn a_trusted_proxy_speaks_for_its_client(subject: Subject) {
    let home = Home::of(subject);
    let behind = |header: &str| {
        let launch = home.launch().env("KRIPTOMAT_ALLOW", "203.0.113.7").env("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.1");
        launch.env("CLIENT_IP_HEADER", header)
    };
    let shop = behind("x-forwarded-for").start().await;
    forwarded(&shop, "x-forwarded-for", "203.0.113.7").await.assert_received();
    forwarded(&shop, "x-forwarded-for", "198.51.100.1, 203.0.113.7, 10.0.0.1").await.assert_received();
    forwarded(&shop, "x-forwarded-for", "203.0.113.7, 198.51.100.1").await.assert_problem(403);
    forwarded(&shop, "x-forwarded-for", "unknown").await.assert_problem(403);
    forwarded(&shop, "forwarded", "for=203.0.113.7").await.assert_problem(403);
    drop(shop);
    let shop = behind("Forwarded").start().await;
    forwarded(&shop, "forwarded", r#"for="203.0.113.7:4711";proto=https"#).await.assert_received();
    drop(shop);
    let shop = behind("CF-Connecting-IP").start().await;
    forwarded(&shop, "cf-connecting-ip", "203.0.113.7").await.assert_received();
    forwarded(&shop, "x-forwarded-for", "203.0.113.7").await.assert_problem(403);
}

/// A forwarding header is ignored if its sender is not a trusted proxy.
pub async fn nobody_else_speaks_for_a_client(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "203.0.113.7").env("TRUSTED_PROXIES", "10.0.0.1").start().await;
    forwarded(&shop, "x-forwarded-for", "203.0.113.7").await.assert_problem(403);
    drop(shop);
    let shop = home.start().await;
    forwarded(&shop, "x-forwarded-for", "203.0.113.7").await.assert_received();
}

async fn forwarded(shop: &ShopProcess, header: &str, value: &str) -> Response {
    let request = shop.request("POST", "/webhooks/kriptomat").header(header, value).body(postback("1", "ada", "1"));
    answer_to(request).await.unwrap()
}

/// Wert waits five seconds for a response.
pub async fn a_body_that_stops_is_answered_before_wert_gives_up(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let mut connection = Connection::open(shop.address).await;
    let begun = Instant::now();
    connection.send("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: shop\r\ncontent-length: 100\r\n\r\n{\"type\":").await;
    connection.answer().await.assert_problem(408);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(home.database().deliveries(), 0);
}

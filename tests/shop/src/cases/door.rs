//! Accepted requests, and replies to invalid ones.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Connection, Response, answer_to};
use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};
use crate::shop::ShopProcess;
use crate::wait::until;

/// A rotation: the old and the new secret are valid, and white space in the file is no part of them.
pub async fn every_secret_in_a_file_is_valid_and_no_other(subject: Subject) {
    let home = Home::of(subject);
    let file = home.outer().join("secrets");
    std::fs::write(&file, "a-new-secret-of-the-shop\r\n\n  an-old-secret-of-the-shop \n").unwrap();
    let shop = home.launch().env("WERT_SECRET_FILE", file.to_str().unwrap()).env("LISTEN", "0.0.0.0:0").start().await;
    shop.post("/webhooks/wert/a-new-secret-of-the-shop", order_complete("1", "ada", "1")).await.assert_received();
    shop.post("/webhooks/wert/an%2Dold-secret-of-the-shop/", order_complete("2", "ada", "1")).await.assert_received();
    shop.wert(order_complete("3", "ada", "1")).await.assert_problem(404);
    assert!(!shop.log().contains("secret-of-the-shop"), "the log contains a secret");
}

/// Only this machine can reach a loopback address.
pub async fn the_default_secret_is_for_loopback_addresses_only(subject: Subject) {
    let home = Home::of(subject);
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let ended = home.launch().env("LISTEN", listen).refused().await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains("WERT_SECRET: ") && ended.stderr.contains(listen), "{ended:?}");
    }
    assert!(!home.file().exists());
    let shop = home.start().await;
    shop.wert(order_complete("1", "ada", "1")).await.assert_received();
    assert!(shop.log().contains("public secret for development"), "{}", shop.log());
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

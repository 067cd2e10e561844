//! Accepted requests, and replies to invalid ones.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Connection, Response, answer_to};
use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};
use crate::shop::ShopProcess;
use crate::wait::until;

/// The status is 404, and nothing is recorded.
pub async fn a_wrong_secret_finds_nothing(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.start().await;
    let body = || order_complete("1", "ada", "1");
    for path in ["/webhooks/wert/wrong", "/webhooks/wert", "/webhooks/wert/", "/webhooks/wert/dev-secret/more"] {
        shop.post(path, body()).await.assert_problem(404);
    }
    for path in ["/webhooks/kriptomat/anything", "/webhooks/wert/%ff%00"] {
        shop.post(path, body()).await.assert_problem(404);
    }
    assert_eq!(home.database().deliveries(), 0);
}

/// A secret is compared after percent-decoding, slashes included.
pub async fn a_secret_may_hold_any_character(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().wert_secret("s/e c%r?t+ä").start().await;
    shop.post("/webhooks/wert/s/e%20c%25r%3Ft+%C3%A4", order_complete("1", "ada", "1")).await.assert_received();
    shop.post("/webhooks/wert/s%2Fe%20c%25r%3Ft%2B%C3%A4/", order_complete("2", "ada", "1")).await.assert_received();
    shop.post("/webhooks/wert/dev-secret", order_complete("3", "ada", "1")).await.assert_problem(404);
    assert!(!shop.log().contains("s/e c"), "the log contains the secret");
}

/// The status is 405 with `allow`, for known and unknown methods.
pub async fn other_methods_are_told_to_post(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.start().await;
    for path in ["/webhooks/wert/dev-secret", "/webhooks/kriptomat"] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE"] {
            let reply = answer_to(shop.request(method, path)).await.unwrap();
            reply.assert_problem(405);
            assert_eq!(reply.header("allow"), Some("POST"), "{method}");
        }
        let head = answer_to(shop.request("HEAD", path)).await.unwrap();
        assert_eq!((head.status, head.header("allow"), head.body.len()), (405, Some("POST"), 0));
    }
}

/// The status is 403, and standard error contains a line with the address and the list.
pub async fn an_address_off_the_list_is_denied_and_the_log_says_why(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "174.138.2.203, 10.0.0.0/8").start().await;
    shop.kriptomat(postback("1", "ada", "1")).await.assert_problem(403);
    until("the log contains the reason", async || {
        shop.log().lines().any(|line| line.contains("127.0.0.1") && line.contains("174.138.2.203"))
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

/// Bodies that are not JSON, not an object, not an event or not text are quarantined. Wert gets a 200, and Kriptomat a problem.
pub async fn what_cannot_be_read_is_acknowledged_to_wert_and_refused_to_kriptomat(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.start().await;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 8] = [b"", b"{", b"[]", b"null", b"\xff\xfe{}", b"{\"type\":\"order_complete\"}", b"{}", deep.as_bytes()];
    for body in bodies {
        shop.wert(body.to_vec()).await.assert_received();
        shop.kriptomat(body.to_vec()).await.assert_problem(400);
    }
    assert_eq!(home.database().quarantined(), 2 * bodies.len());
    assert!(shop.stop().await.handled().is_empty());
}

/// The limit is 1 MiB.
pub async fn a_body_over_the_limit_is_acknowledged_to_wert_and_refused_to_kriptomat(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.start().await;
    let body = || vec![b' '; 2 << 20];
    shop.wert(body()).await.assert_received();
    shop.kriptomat(body()).await.assert_problem(413);
    assert_eq!(home.database().quarantined(), 2);
    let padded = format!("{}{}", order_complete("1", "ada", "1"), " ".repeat((1 << 20) - 1_000));
    shop.wert(padded).await.assert_received();
    shop.has_handled(1).await;
}

/// A body without `content-length`, in chunks of any size.
pub async fn chunked_bodies_are_read(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.start().await;
    let mut connection = Connection::open(shop.address).await;
    connection.send("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for piece in order_complete("1", "ada", "12.5").as_bytes().chunks(7) {
        connection.send(format!("{:x}\r\n", piece.len())).await;
        connection.send(piece).await;
        connection.send("\r\n").await;
    }
    connection.send("0\r\n\r\n").await;
    connection.answer().await.assert_received();
    shop.has_handled(1).await;
    assert_eq!(shop.points("ada").await, "12.5");
}

/// The connection also stays open after a response that is not an acknowledgement.
pub async fn a_connection_serves_many_requests(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.start().await;
    let mut connection = Connection::open(shop.address).await;
    for order in 1..=3 {
        connection.send(request("/webhooks/wert/wrong", "{}")).await;
        connection.answer().await.assert_problem(404);
        connection.send(request("/webhooks/wert/dev-secret", &order_complete(&order.to_string(), "ada", "1"))).await;
        connection.answer().await.assert_received();
    }
    let pipelined = ["4", "5"].map(|order| request("/webhooks/wert/dev-secret", &order_complete(order, "ada", "1")));
    connection.send(pipelined.concat()).await;
    connection.answer().await.assert_received();
    connection.answer().await.assert_received();
    shop.has_handled(5).await;
    assert_eq!(shop.points("ada").await, "5");
}

fn request(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Wert waits five seconds for a response.
pub async fn a_body_that_stops_is_answered_before_wert_gives_up(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.start().await;
    let mut connection = Connection::open(shop.address).await;
    let begun = Instant::now();
    connection.send("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: shop\r\ncontent-length: 100\r\n\r\n{\"type\":").await;
    connection.answer().await.assert_problem(408);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(home.database().deliveries(), 0);
}

//! Proxies that begin their connections with a header of the PROXY protocol.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::connection::{Connection, Response};
use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};
use crate::shop::ShopProcess;
use crate::wait::until;

/// `PROXY` for 203.0.113.7 over TCP, in version 2, with an addition.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xcb\0\x71\x07\xc0\0\x02\x01\xc8\x22\x01\xbb\x04\0\x01\0";

/// The allow-list sees the client in the header.
pub async fn a_declared_proxy_names_its_client(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "203.0.113.7").env("PROXY_PROTOCOL", "127.0.0.0/8").start().await;
    let named = b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n";
    sent(&shop, named, "/webhooks/kriptomat", &postback("1", "ada", "1")).await.assert_received();
    sent(&shop, BINARY, "/webhooks/kriptomat", &postback("2", "ada", "1")).await.assert_received();
    let mapped = b"PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 51234 443\r\n";
    sent(&shop, mapped, "/webhooks/kriptomat", &postback("3", "ada", "1")).await.assert_received();
    let other = b"PROXY TCP4 203.0.113.8 192.0.2.1 51234 443\r\n";
    sent(&shop, other, "/webhooks/kriptomat", &postback("4", "ada", "1")).await.assert_problem(403);
    sent(&shop, other, "/webhooks/wert/dev-secret", &order_complete("1", "ada", "1")).await.assert_received();
}

/// The proxy itself is on the list, but not its client.
pub async fn a_client_that_the_proxy_does_not_know_is_denied(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "0.0.0.0/0, ::/0").env("PROXY_PROTOCOL", "127.0.0.1").start().await;
    for unknown in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0"] {
        sent(&shop, unknown, "/webhooks/kriptomat", &postback("1", "ada", "1")).await.assert_problem(403);
        sent(&shop, unknown, "/webhooks/wert/dev-secret", &order_complete("1", "ada", "1")).await.assert_received();
    }
    // The proxy speaks for itself.
    sent(&shop, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "/webhooks/kriptomat", &postback("1", "ada", "1")).await.assert_received();
}

/// A client that can reach the shop directly names nobody, and needs no header.
pub async fn an_undeclared_proxy_is_not_believed(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "203.0.113.7").env("PROXY_PROTOCOL", "10.0.0.0/8").start().await;
    assert_eq!(sent(&shop, BINARY, "/webhooks/kriptomat", &postback("1", "ada", "1")).await.status, 400);
    shop.kriptomat(postback("1", "ada", "1")).await.assert_problem(403);
    shop.wert(order_complete("1", "ada", "1")).await.assert_received();
    assert_eq!(home.database().deliveries(), 1);
}

/// The header arrives in two pieces, and belongs to the connection.
pub async fn every_request_of_a_connection_has_its_client(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "203.0.113.7").env("PROXY_PROTOCOL", "127.0.0.1").start().await;
    let mut connection = Connection::open(shop.address).await;
    let (begin, end) = BINARY.split_at(14);
    connection.send(begin).await;
    sleep(Duration::from_millis(50)).await;
    connection.send(end).await;
    for id in ["1", "2", "3"] {
        connection.send(request("/webhooks/kriptomat", &postback(id, "ada", "1"))).await;
        connection.answer().await.assert_received();
    }
}

/// The log says so at most once a second, whichever thread has the connection.
pub async fn a_declared_proxy_without_a_header_is_refused(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().env("PROXY_PROTOCOL", "127.0.0.1").start().await;
    let begins = Instant::now();
    for _ in 0..20 {
        let mut connection = Connection::open(shop.address).await;
        let _ = connection.try_send(request("/webhooks/wert/dev-secret", &order_complete("1", "ada", "1"))).await;
        connection.closes().await;
    }
    let lines = || shop.log().lines().filter(|line| line.contains("closed a connection of a proxy")).count();
    until("a line in the log", async || lines() > 0).await;
    assert!(lines() as u64 <= begins.elapsed().as_secs() + 1, "{}", shop.log());
    assert_eq!(home.database().deliveries(), 0);
    sent(&shop, BINARY, "/webhooks/wert/dev-secret", &order_complete("1", "ada", "1")).await.assert_received();
}

/// Sends the header in single bytes, and then a request.
async fn sent(shop: &ShopProcess, header: &[u8], path: &str, body: &str) -> Response {
    let mut connection = Connection::open(shop.address).await;
    for byte in header {
        // An undeclared proxy may be refused before its header has ended.
        if !connection.try_send([*byte]).await {
            break;
        }
    }
    let _ = connection.try_send(request(path, body)).await;
    connection.answer().await
}

fn request(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

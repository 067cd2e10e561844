//! Connections that cost the shop something and bring it nothing, and connections that are used again.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::event::order_complete;
use crate::home::{Home, Subject};
use crate::shop::ShopProcess;
use crate::wait::SOON;

/// The shop closes connections whose heads do not end, and acknowledges events meanwhile.
pub async fn half_open_heads_are_closed_and_hold_no_event_up(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    let half_open = half_open(&shop, 300).await;
    shop.wert(order_complete("1", "ada", "1")).await.assert_received();
    closed(half_open).await;
}

/// More clients than the shop has file descriptors begin a head and stay. An event is acknowledged when their time is over.
pub async fn file_descriptors_that_are_used_up_are_free_again(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().with_open_files(100).start().await;
    let half_open = half_open(&shop, 110).await;
    shop.wert(order_complete("1", "ada", "1")).await.assert_received();
    closed(half_open).await;
    shop.wert(order_complete("2", "ada", "1")).await.assert_received();
}

/// The shop waits some seconds for a body, and then answers.
pub async fn a_purchase_request_that_does_not_end_is_answered(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    let mut connection = Connection::open(shop.address).await;
    connection.send("POST /buy HTTP/1.1\r\nhost: shop\r\ncontent-length: 100\r\n\r\n{").await;
    assert_eq!(connection.answer().await.status, 408);
}

/// Load balancers keep connections open, and send the next request on one of them. The pause is longer than the time for a head.
pub async fn an_idle_connection_is_used_again(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    let mut connection = Connection::open(shop.address).await;
    for pause in [Duration::from_secs(12), Duration::ZERO] {
        connection.send("GET /healthz HTTP/1.1\r\nhost: shop\r\n\r\n").await;
        assert_eq!(connection.answer().await.status, 200);
        sleep(pause).await;
    }
}

async fn half_open(shop: &ShopProcess, number: usize) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..number {
        let mut connection = TcpStream::connect(shop.address).await.unwrap();
        connection.write_all(b"POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: sh").await.unwrap();
        connections.push(connection);
    }
    connections
}

/// Waits until the shop has closed all connections, with a response or without.
async fn closed(connections: Vec<TcpStream>) {
    for mut connection in connections {
        // The error is a reset.
        let _ = timeout(SOON, connection.read_to_end(&mut Vec::new())).await.expect("the shop closes the connection");
    }
}

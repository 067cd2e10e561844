//! Graceful shutdown.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::database::Database;
use crate::event::order_complete;
use crate::home::{Home, Subject};
use crate::wait::until;

/// Returns a head with `expect: 100-continue`. The response 100 shows that the server reads the body.
fn head_that_waits(body: &str) -> String {
    let length = body.len();
    format!("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: shop\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n")
}

/// A request in flight gets its response while new connections are refused.
pub async fn a_request_in_flight_is_finished(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let address = shop.address;
    let body = order_complete("1", "ada", "12.5");
    let (begin, end) = body.split_at(20);
    let mut connection = Connection::open(address).await;
    connection.send(head_that_waits(&body)).await;
    assert_eq!(connection.answer().await.status, 100, "the shop waits for the body");
    connection.send(begin).await;
    shop.terminate();
    until("the shop refuses connections", async || TcpStream::connect(address).await.is_err()).await;
    connection.send(end).await;
    connection.answer().await.assert_received();
    shop.ends().await;
    assert_eq!(home.database().deliveries(), 1);
    let shop = home.start().await;
    home.database().settled().await;
    assert_eq!(shop.points("ada").await, "12.5");
}

/// An idle connection is kept open for later requests.
pub async fn an_idle_connection_holds_nothing_up(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    let mut connection = Connection::open(shop.address).await;
    connection.send("GET /healthz HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
    let _silent = Connection::open(shop.address).await;
    shop.terminate();
    shop.ends().await;
}

/// SIGINT stops the shop as SIGTERM does.
pub async fn ctrl_c_is_a_good_end_too(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    shop.wert(order_complete("1", "ada", "1")).await.assert_received();
    shop.has_handled(1).await;
    shop.signal(Signal::INT);
    assert_eq!(shop.ends().await.handled().len(), 1);
}

/// Clients stop sending in the middle of a head and of a body.
pub async fn half_a_request_holds_nothing_up_for_long(subject: Subject) {
    let (_home, shop) = Home::started(subject).await;
    let mut head = Connection::open(shop.address).await;
    head.send("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: sh").await;
    let mut body = Connection::open(shop.address).await;
    body.send(head_that_waits("123456789")).await;
    assert_eq!(body.answer().await.status, 100);
    let signalled = Instant::now();
    shop.terminate();
    shop.ends().await;
    assert!(signalled.elapsed() < Duration::from_secs(10));
}

/// An event whose handler fails stays in the inbox during a restart.
pub async fn what_was_not_handled_is_handled_at_the_next_start(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    assert_eq!(shop.points("ada").await, "0", "now the table exists");
    home.database().break_points();
    for order in ["1", "2", "3"] {
        shop.wert(order_complete(order, "ada", "1.5")).await.assert_received();
    }
    until("the log contains the reason", async || shop.log().contains("broken for a while")).await;
    assert!(shop.stop().await.handled().is_empty());
    assert_eq!(home.database().waiting(), 3);
    home.database().mend_points();
    let shop = home.start().await;
    shop.has_handled(3).await;
    assert_eq!(shop.points("ada").await, "4.5");
}

/// Another process has locked the file, while some events wait to be recorded and others to be handled.
pub async fn a_locked_file_holds_nothing_up_for_long(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    home.database().break_points();
    shop.wert(order_complete("1", "ada", "1.5")).await.assert_received();
    let other = home.database();
    other.execute("BEGIN EXCLUSIVE");
    let mut waiting = Connection::open(shop.address).await;
    let body = order_complete("2", "ada", "2.5");
    waiting.send(head_that_waits(&body)).await;
    assert_eq!(waiting.answer().await.status, 100);
    waiting.send(body).await;
    shop.terminate();
    waiting.answer().await.assert_problem(503);
    shop.ends().await;
    other.execute("COMMIT; DROP TRIGGER broken");
    let shop = home.start().await;
    shop.has_handled(1).await;
    assert_eq!(shop.points("ada").await, "1.5");
}

/// A copy of the database file that is made after the shop has ended is a backup, whatever the shop was doing when it was told to end.
pub async fn the_database_file_alone_is_complete(subject: Subject) {
    let home = Home::of(subject);
    let mut orders = 0;
    for stop in 1..=10 {
        let shop = home.start().await;
        for _ in 0..stop {
            orders += 1;
            shop.wert(order_complete(&orders.to_string(), "ada", "1.5")).await.assert_received();
        }
        if stop % 2 == 0 {
            shop.has_handled(stop).await;
        }
        let handled = shop.stop().await.handled().len();
        let copy = home.outer().join(format!("copy-{stop}.db"));
        std::fs::copy(home.file(), &copy).unwrap();
        let copy = Database::file(&copy);
        copy.assert_intact();
        assert_eq!(copy.deliveries(), orders);
        assert!(copy.completed().len() >= handled, "what was handled is kept");
    }
}

//! Responses that never end reach their client as they come, and are not stored.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::{Infallible, identity};
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use onramp_webhooks_server::Server;
use onramp_webhooks_warp::core::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
use onramp_webhooks_warp::idempotency;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use warp::{Filter, Reply};

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: shop.example\r\nidempotency-key: one\r\ncontent-length: 0\r\n\r\n";

/// A time that the test does not reach unless something hangs.
const LONG: Duration = Duration::from_secs(30);

/// Sends the request, and reads up to the end of a text. Returns the open connection and everything that was read.
async fn answer(address: SocketAddr, end: &str) -> (TcpStream, String) {
    let (mut connection, mut response) = (TcpStream::connect(address).await.unwrap(), Vec::new());
    connection.write_all(REQUEST).await.unwrap();
    while !response.ends_with(end.as_bytes()) {
        let read = timeout(LONG, connection.read_buf(&mut response)).await;
        let read = read.unwrap_or_else(|_| panic!("no {end:?} in {}", response.escape_ascii()));
        assert_ne!(read.unwrap(), 0, "closed");
    }
    (connection, String::from_utf8(response).unwrap())
}

fn endless((name, value): (&'static str, &'static str)) -> impl Reply {
    let body = stream::once(ready(Ok::<_, Infallible>(Bytes::from_static(b"data: ordered\n\n")))).chain(stream::pending());
    warp::reply::with_header(warp::reply::stream(body), name, value)
}

#[tokio::test]
async fn streams_and_responses_that_announce_trailers_reach_their_client_as_they_come() {
    for header in [("content-type", "text/event-stream"), ("trailer", "server-timing")] {
        let once = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone()).build().unwrap();
        let app = idempotency(&once, warp::path::end(), warp::post().map(move || endless(header)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Server::new(listener).serve(warp::service(app), identity::<SocketAddr>, pending()));
        let (_open, first) = answer(address, "data: ordered\n\n\r\n").await;
        assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
        let (_, again) = answer(address, "}").await;
        assert!(again.starts_with("HTTP/1.1 409 "), "{header:?}: {again}");
    }
}

//! Responses that announce trailers pass through with them, and are not stored.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::post;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use onramp_webhooks_axum::core::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
use onramp_webhooks_axum::idempotency;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const REQUEST: &[u8] =
    b"POST / HTTP/1.1\r\nhost: shop.example\r\nte: trailers\r\nidempotency-key: one\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn timed() -> Response {
    let trailers = HeaderMap::from_iter([("server-timing".parse().unwrap(), HeaderValue::from_static("db;dur=53"))]);
    let frames = [Frame::data(Bytes::from_static(b"ordered")), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    Response::builder().header("trailer", "server-timing").body(body).unwrap()
}

#[tokio::test]
async fn announced_trailers_reach_their_client() {
    let once = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone()).build().unwrap();
    let app = Router::new().route("/", post(timed)).layer(idempotency(&once));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    let first = answer(address).await;
    assert!(first.ends_with("7\r\nordered\r\n0\r\nserver-timing: db;dur=53\r\n\r\n"), "{first}");
    assert!(answer(address).await.starts_with("HTTP/1.1 409 "), "a response with trailers is not stored");
}

async fn answer(address: SocketAddr) -> String {
    let (mut connection, mut response) = (TcpStream::connect(address).await.unwrap(), String::new());
    connection.write_all(REQUEST).await.unwrap();
    connection.read_to_string(&mut response).await.unwrap();
    response
}

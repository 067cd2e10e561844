//! Receivers that are mounted in a framework, and raw HTTP requests to them.

use std::net::SocketAddr;

use onramp_webhooks::inbox::{MemoryInbox, State};
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An event body of Wert's.
pub const LOGIN: &str = r#"{"type":"login","click_id":"42"}"#;

/// A postback body of Kriptomat's.
pub const POSTBACK: &str = r#"{"uuid":"1","amount":1,"asset_type":"eth","fiat_amount":"1","to_address":"0x0"}"#;

/// Returns a receiver for both providers, with an inbox in memory.
#[must_use]
pub fn receiver() -> Receiver {
    Receiver::builder(MemoryInbox::new())
        .endpoint(Wert::with_path_secret("s3cret-for-examples"))
        .endpoint(Kriptomat::allowing("127.0.0.1".parse().unwrap()))
        .build()
        .unwrap()
}

/// Returns a receiver for Wert's sandbox, with an inbox in memory.
#[must_use]
pub fn sandbox() -> Receiver {
    Receiver::builder(MemoryInbox::new())
        .endpoint(Wert::with_path_secret("sandbox-s3cret-for-examples").named("wert-sandbox"))
        .build()
        .unwrap()
}

/// Sends one request, and returns the whole response until the server closes the connection.
pub async fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut reply = String::new();
    begin(address, &format!("{method} {path}"), "", body).await.read_to_string(&mut reply).await.unwrap();
    reply
}

/// Sends one request with this request line and further headers, and returns the connection.
pub async fn begin(address: SocketAddr, line: &str, headers: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

/// Returns the status of a reply.
#[must_use]
pub fn status(reply: &str) -> &str {
    reply.split(' ').nth(1).unwrap()
}

/// Counts the deliveries that the receiver has recorded.
pub async fn recorded(receiver: &Receiver) -> u64 {
    receiver.inbox().counts().await.unwrap().of(State::Pending)
}

/// Checks that the receiver responds below `prefix` and nowhere else. `send` takes a path and a body.
pub async fn answers_below(prefix: &str, receiver: &Receiver, send: impl AsyncFn(&str, &str) -> String) {
    for path in ["/wert/s3cret-for-examples", "/wert/s3cret%2Dfor%2dexamples/", "/kriptomat", "/kriptomat/", "/kriptomat?a=b"] {
        let body = if path.contains("wert") { LOGIN } else { POSTBACK };
        let reply = send(&format!("{prefix}{path}"), body).await;
        assert!(reply.ends_with(r#"{"received":true}"#), "{prefix}{path}: {reply}");
    }
    assert_eq!(recorded(receiver).await, 2);
    for path in ["/wert", "/wert/", "/wert/wrong", "/wert/s3cret-for-examples/more", "/kriptomat/wrong"] {
        let reply = send(&format!("{prefix}{path}"), LOGIN).await;
        assert!(reply.starts_with("HTTP/1.1 404") && reply.contains("application/problem+json"), "{prefix}{path}: {reply}");
    }
}

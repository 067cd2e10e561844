//! Idempotency behind CORS, compression and tracing: checks of a server at `/orders`, which answers with [`ORDERED`], compresses, and
//! allows the pages of [`PAGES`].

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use onramp_webhooks_testkit::adapter::{Connection, Response};

/// The body of a reply, which is long enough to be compressed.
pub const ORDERED: &str = "a coffee, black and hot, will be brought to the table at the window";

/// The origins whose pages may send orders.
pub const PAGES: [&str; 2] = ["https://shop.example", "https://admin.example"];

/// Sends a request for `/orders` with these header lines.
pub async fn send(server: SocketAddr, method: &str, lines: &[(&str, &str)]) -> Response {
    let mut connection = Connection::open(server).await;
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    connection.send(format!("{method} /orders HTTP/1.1\r\nhost: shop\r\n{lines}content-length: 2\r\n\r\n{{}}")).await;
    connection.answer_to(method).await
}

fn is_replay(response: &Response) -> bool {
    response.header("idempotent-replayed") == Some("true")
}

/// The client of a replay gets the encoding that it accepts, whatever the first one accepted.
pub async fn a_replay_is_compressed_for_its_own_client(server: SocketAddr) {
    for (key, first) in [("plain", false), ("compressed", true)] {
        for (nth, gzip) in [first, !first, first].into_iter().enumerate() {
            let accepted = if gzip { "gzip" } else { "identity" };
            let response = send(server, "POST", &[("idempotency-key", key), ("accept-encoding", accepted)]).await;
            assert_eq!((response.status, is_replay(&response)), (201, nth > 0), "{response:?}");
            assert_eq!(response.header("content-encoding") == Some("gzip"), gzip, "{response:?}");
            let body: &[u8] = if gzip { b"\x1f\x8b" } else { ORDERED.as_bytes() };
            assert!(response.body.starts_with(body), "{response:?}");
        }
    }
}

/// A replay is readable for the page that asks, a refusal too, and a preflight request neither runs nor needs a key.
pub async fn cors_is_about_the_present_request(server: SocketAddr, runs: impl Fn() -> usize) {
    let preflight = [
        ("origin", PAGES[0]),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,idempotency-key"),
    ];
    let allowed = send(server, "OPTIONS", &preflight).await;
    assert!((200..300).contains(&allowed.status), "{allowed:?}");
    assert_eq!((allowed.header("access-control-allow-origin"), runs()), (Some(PAGES[0]), 0), "{allowed:?}");
    for (nth, page) in PAGES.into_iter().enumerate() {
        let response = send(server, "POST", &[("idempotency-key", "a"), ("origin", page)]).await;
        assert_eq!((response.status, is_replay(&response)), (201, nth > 0), "{response:?}");
        assert_eq!(origins(&response), [page], "{response:?}");
        let refused = send(server, "POST", &[("origin", page)]).await;
        assert_eq!((refused.status, origins(&refused)), (400, vec![page]), "{refused:?}");
    }
    assert_eq!(runs(), 1);
}

/// Inside of idempotency, the CORS headers of the first request are stored, and another page cannot read the replay.
pub async fn cors_inside_is_about_the_first_request(server: SocketAddr) {
    for page in PAGES {
        let response = send(server, "POST", &[("idempotency-key", "a"), ("origin", page)]).await;
        assert_eq!(origins(&response), [PAGES[0]], "{response:?}");
    }
}

/// Inside of idempotency, the first client's encoding is stored.
pub async fn compression_inside_is_for_the_first_client(server: SocketAddr) {
    for accepted in ["gzip", "identity"] {
        let response = send(server, "POST", &[("idempotency-key", "a"), ("accept-encoding", accepted)]).await;
        assert_eq!(response.header("content-encoding"), Some("gzip"), "{response:?}");
    }
}

/// A trace has a line with the status of each request, replays included.
pub async fn a_trace_shows_replays(server: SocketAddr, trace: &Trace) {
    for (nth, expected) in [201, 201, 400].into_iter().enumerate() {
        let key = [("idempotency-key", "a")];
        let response = send(server, "POST", if expected == 201 { &key } else { &[] }).await;
        assert_eq!((response.status, is_replay(&response)), (expected, nth == 1), "{response:?}");
    }
    let text = trace.text();
    // The field of a traced response, which warp reports otherwise if it is an error, and the status after the request line in actix's log.
    let shows = |line: &str, status: u16| {
        let is_of_response = ["finished", "unable to serve"].iter().any(|text| line.contains(text));
        (is_of_response && line.contains(&format!("status={status}"))) || line.contains(&format!("\" {status} "))
    };
    let lines = |status| text.lines().filter(|line| shows(line, status)).count();
    assert_eq!((lines(201), lines(400)), (2, 1), "{text}");
}

fn origins(response: &Response) -> Vec<&str> {
    let lines = response.headers.iter().filter(|(name, _)| name == "access-control-allow-origin");
    lines.map(|(_, value)| value.as_str()).collect()
}

/// The text of a log. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Vec<u8>>>);

impl Trace {
    /// Returns the text so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Trace {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

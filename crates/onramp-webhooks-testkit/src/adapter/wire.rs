//! Raw HTTP: connections that send any bytes, and parsed responses.

use std::fmt::Write;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The timeout for responses, which is long enough for a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// The headers that must be the same in every framework.
const THAT_MATTER: [&str; 8] =
    ["allow", "content-encoding", "content-type", "idempotent-replayed", "location", "retry-after", "set-cookie", "x-internal"];

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Creates a response that was received in another way.
    #[must_use]
    pub const fn new(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { status, headers, body }
    }

    /// Returns the first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    ///
    /// # Panics
    /// If the body is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that this response is the acknowledgement.
    ///
    /// # Panics
    /// If it is a different response.
    pub fn assert_received(&self) {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.text(), r#"{"received":true}"#);
    }

    /// Asserts that this response is an RFC 9457 problem with this status.
    ///
    /// # Panics
    /// If it is a different response.
    pub fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }

    /// Asserts that this response is a 503 with `retry-after`, so nothing was stored.
    ///
    /// # Panics
    /// If it is a different response.
    pub fn assert_try_again(&self) {
        self.assert_problem(503);
        assert!(self.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{self:?}");
    }

    /// Describes the status, the relevant headers and the body for comparison.
    fn description(&self) -> String {
        let mut description = self.status.to_string();
        let mut headers: Vec<_> = self.headers.iter().filter(|(name, _)| THAT_MATTER.contains(&name.as_str())).collect();
        headers.sort();
        for (name, value) in headers {
            let _ = write!(description, " | {name}: {value}");
        }
        let _ =
            write!(description, " | {} bytes: {}", self.body.len(), self.body.get(..200).unwrap_or(&self.body).escape_ascii());
        description
    }
}

/// A transcript of responses, for comparisons between adapters. Clones share the same transcript.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Vec<String>>>);

impl Transcript {
    fn note(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Returns all lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection that sends any bytes.
pub struct Connection {
    stream: BufStream<Box<dyn Wire>>,
    transcript: Option<Transcript>,
}

impl Connection {
    /// Creates a connection from an open stream.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self { stream: BufStream::new(Box::new(stream)), transcript: None }
    }

    /// Connects to an address.
    ///
    /// # Panics
    /// If the connection is refused.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection"))
    }

    /// Appends every response to `transcript`.
    #[must_use]
    pub fn noting(mut self, transcript: &Transcript) -> Self {
        self.transcript = Some(transcript.clone());
        self
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If the server has closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_send(bytes).await, "the server has closed the connection");
    }

    /// Sends bytes, or returns `false` if the server has closed the connection.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Closes the sending half.
    pub async fn end(&mut self) {
        // The server may have closed the connection already.
        let _ = self.stream.shutdown().await;
    }

    /// Reads the next response. An informational response ends after its head.
    ///
    /// # Panics
    /// If no response arrives in time, or if it is not HTTP.
    pub async fn answer(&mut self) -> Response {
        self.answer_to("POST").await
    }

    /// Reads the next response to a request with this method. A response to `HEAD` ends after its head.
    ///
    /// # Panics
    /// If no response arrives in time, or if it is not HTTP.
    pub async fn answer_to(&mut self, method: &str) -> Response {
        let response = soon("a response", self.read(method)).await.expect("a response before the end of the connection");
        if let Some(transcript) = &self.transcript {
            transcript.note(response.description());
        }
        response
    }

    /// Reads the head of a chunked response, and its first chunk.
    pub(super) async fn begins(&mut self) -> Response {
        let mut response = soon("a response", self.head()).await.expect("a response before the end of the connection");
        response.body = self.chunk().await;
        response
    }

    /// Reads the next chunk of a response.
    pub(super) async fn chunk(&mut self) -> Vec<u8> {
        soon("a chunk", self.next_chunk()).await.expect("a chunk before the end of the connection")
    }

    /// Asserts that the server closes the connection without another response.
    ///
    /// # Panics
    /// If a response arrives.
    pub async fn closes(&mut self) {
        let response = soon("the end of the connection", self.read("POST")).await;
        assert_eq!(response, None);
        if let Some(transcript) = &self.transcript {
            transcript.note("closed".into());
        }
    }

    /// Reads a response, or returns `None` at the end of the connection.
    async fn read(&mut self, method: &str) -> Option<Response> {
        let mut response = self.head().await?;
        if method == "HEAD" || response.status < 200 || matches!(response.status, 204 | 304) {
            return Some(response);
        }
        if response.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            response.body = self.chunks().await?;
        } else {
            response.body = vec![0; response.header("content-length").map_or(0, |length| length.parse().expect("a length"))];
            self.stream.read_exact(&mut response.body).await.ok()?;
        }
        Some(response)
    }

    async fn head(&mut self) -> Option<Response> {
        let status = self.line().await?.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Response { status, headers, body: Vec::new() })
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.next_chunk().await?;
            body.extend_from_slice(&chunk);
            if chunk.is_empty() {
                return Some(body);
            }
        }
    }

    async fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(self.line().await?.split(';').next()?.trim(), 16).expect("a chunk's length");
        let mut chunk = vec![0; length];
        self.stream.read_exact(&mut chunk).await.ok()?;
        assert_eq!(self.line().await?, "", "a chunk ends with its line");
        Some(chunk)
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Awaits a future within [`SOON`].
pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.unwrap_or_else(|_| panic!("{what} did not arrive within {SOON:?}"))
}

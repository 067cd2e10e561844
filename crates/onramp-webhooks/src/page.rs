//! Pages: parts of a website that any framework can serve below a prefix.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::body::{self, Hidden, Taken};
use crate::provider::Acknowledgement;
use crate::reply::{Outcome, Reply};
use crate::request::Request;

/// Maximum size of a request body, in bytes.
const BODY_LIMIT: usize = 64 << 10;

/// Time limit for receiving a request body.
const BODY_TIME: Duration = Duration::from_secs(5);

/// A part of a website, which an adapter mounts below any prefix.
///
/// A page sees paths below its mount only, so its links have to be relative. Its main page is at `/`.
///
/// ```
/// use onramp_webhooks::adapter::{Page, PageRequest, PageResponse, async_trait};
///
/// #[derive(Debug)]
/// struct Greeting;
///
/// #[async_trait]
/// impl Page for Greeting {
///     async fn respond(&self, request: PageRequest) -> PageResponse {
///         match (request.method.as_str(), request.path.as_str()) {
///             ("GET" | "HEAD", "/") => PageResponse::new(200, "hello").header("content-type", "text/plain"),
///             _ => PageResponse::new(404, ""),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Page: fmt::Debug + Send + Sync + 'static {
    /// Returns the response to a request. Adapters leave out its body if the method is `HEAD`.
    async fn respond(&self, request: PageRequest) -> PageResponse;
}

#[async_trait]
impl<P: Page + ?Sized> Page for Arc<P> {
    async fn respond(&self, request: PageRequest) -> PageResponse {
        (**self).respond(request).await
    }
}

/// A whole request to a [`Page`].
#[derive(Clone)]
#[non_exhaustive]
pub struct PageRequest {
    /// The method, in upper case.
    pub method: String,
    /// The path below the mount as it was sent (percent-encoded). Begins with a slash.
    pub path: String,
    /// The query as it was sent, without the question mark.
    pub query: Option<String>,
    /// The peer of the socket; `None` if the framework does not know it.
    pub peer: Option<IpAddr>,
    /// The body, of at most 64 KiB.
    pub body: Bytes,
    headers: Vec<(String, Vec<u8>)>,
}

impl PageRequest {
    /// Creates a request with this head and body.
    #[must_use]
    pub fn new(head: &Request<'_>, body: impl Into<Bytes>) -> Self {
        let mut headers = Vec::new();
        head.headers.each(&mut |name, value| headers.push((name.to_owned(), value.to_vec())));
        Self {
            method: head.method.to_owned(),
            path: if head.path.is_empty() { "/".to_owned() } else { head.path.to_owned() },
            query: head.query.map(str::to_owned),
            peer: head.peer,
            body: body.into(),
            headers,
        }
    }

    /// Returns the values of all lines called `name` (lower case), in order of arrival.
    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// Returns the lower-case name of every header line.
    pub fn names(&self) -> impl Iterator<Item = &str> + '_ {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the value of the only line called `name` (lower case). Returns `None` if there is no line, if there are several, or if the
    /// value is not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(key, _)| key == name);
        let (_, value) = lines.next()?;
        if lines.next().is_some() { None } else { str::from_utf8(value).ok() }
    }
}

impl fmt::Debug for PageRequest {
    /// Leaves out the path, the query, the headers and the body, which may hold secrets and personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRequest").field("method", &self.method).field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A stream of parts of a response body.
pub type PageStream = Pin<Box<dyn Stream<Item = Bytes> + Send + Sync>>;

/// The body of a [`PageResponse`].
#[non_exhaustive]
pub enum PageBody {
    /// The whole body.
    Whole(Bytes),
    /// A body that is sent as it is produced. Dropped when the client disconnects.
    Stream(PageStream),
}

impl fmt::Debug for PageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(body) => f.debug_tuple("Whole").field(&Hidden(body)).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// The response of a [`Page`], which an adapter sends unchanged.
#[non_exhaustive]
pub struct PageResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers, by lower-case name.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: PageBody,
}

impl PageResponse {
    /// Creates a response with a whole body and no headers.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: PageBody::Whole(body.into()) }
    }

    /// Creates a response whose body is sent as `stream` yields it.
    #[must_use]
    pub fn stream(status: u16, stream: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Self {
        Self { status, headers: Vec::new(), body: PageBody::Stream(Box::pin(stream)) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns whether HTTP can carry the response: a final status, and headers that do not split it (RFC 9110, sections 5.5 and 15).
    fn is_valid(&self) -> bool {
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let is_value = |value: &str| value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control());
        (200..600).contains(&self.status) && self.headers.iter().all(|(name, value)| is_name(name) && is_value(value))
    }
}

impl fmt::Debug for PageResponse {
    /// Leaves out the headers and the content of the body, which may hold secrets and personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageResponse").field("status", &self.status).field("body", &self.body).finish_non_exhaustive()
    }
}

/// Serves a request to `page`, for adapters. `head` has the path below the mount, and `whole_path` is the path as it was sent.
///
/// Reads the body first. Redirects from the mount without its slash to the one with it, so that relative links work.
///
/// # Errors
/// The future returns a reply to send instead if the body is too large or breaks off, or if the response of the page is not valid HTTP.
pub fn serve_page<S, E>(
    page: &Arc<dyn Page>,
    head: &Request<'_>,
    whole_path: &str,
    body: S,
) -> impl Future<Output = Result<PageResponse, Reply>> + use<S, E>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let redirect = slash_missing(head, whole_path);
    let request = PageRequest::new(head, Bytes::new());
    let page = Arc::clone(page);
    async move {
        if let Some(location) = redirect {
            return Ok(PageResponse::new(308, Bytes::new()).header("location", location));
        }
        let refused = |outcome: Outcome| Err(outcome.reply(Acknowledgement::Readable));
        let body = match body::take(body, BODY_LIMIT, Instant::now() + BODY_TIME).await {
            Taken::Whole(body) => body,
            Taken::Cut(_) => return refused(Outcome::TooLarge),
            Taken::Stopped => return refused(Outcome::BodyStopped),
        };
        let response = page.respond(PageRequest { body, ..request }).await;
        if response.is_valid() {
            Ok(response)
        } else {
            tracing::error!(status = response.status, "a page returned a response that is not valid HTTP");
            refused(Outcome::BadPage)
        }
    }
}

/// Returns the relative address of the mount with its slash, if the request went to the mount without it.
fn slash_missing(head: &Request<'_>, whole_path: &str) -> Option<String> {
    if !matches!(head.path, "" | "/") || whole_path.ends_with('/') {
        return None;
    }
    let mount = whole_path.rsplit('/').next().filter(|mount| !mount.is_empty())?;
    let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("./{mount}/{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Full;

    #[derive(Debug)]
    struct Echo;

    #[async_trait]
    impl Page for Echo {
        async fn respond(&self, request: PageRequest) -> PageResponse {
            match request.path.as_str() {
                "/informational" => PageResponse::new(101, ""),
                "/split" => PageResponse::new(200, "").header("x-name", "a\r\nset-cookie: b"),
                "/name" => PageResponse::new(200, "").header("x name", "a"),
                path => PageResponse::new(200, format!("{path} {}", request.body.len())).header("x-name", "a\tb"),
            }
        }
    }

    async fn served(path: &str, whole_path: &str, body: usize) -> Result<PageResponse, Reply> {
        let page: Arc<dyn Page> = Arc::new(Echo);
        let none: [(&str, &str); 0] = [];
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        serve_page(&page, &Request::new("POST", path, None, &none).with_query(query), whole_path, Full::new(vec![b'a'; body]))
            .await
    }

    #[tokio::test]
    async fn a_response_that_is_not_valid_http_is_a_server_error() {
        for path in ["/informational", "/split", "/name"] {
            assert_eq!(served(path, path, 0).await.unwrap_err().status(), 500, "{path}");
        }
        assert_eq!(served("/valid", "/valid", 0).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn a_mount_without_its_slash_redirects_to_the_one_with_it() {
        for (path, whole, location) in [
            ("/", "/inspect", Some("./inspect/")),
            ("", "/a/b:c", Some("./b:c/")),
            ("/?state=dead", "/inspect", Some("./inspect/?state=dead")),
            ("/", "/inspect/", None),
            ("/", "/", None),
        ] {
            let response = served(path, whole, 0).await.unwrap();
            let found = response.headers.iter().find(|(name, _)| *name == "location").map(|(_, value)| value.as_str());
            assert_eq!(found, location, "{whole}");
        }
        assert_eq!(served("/a", "/inspect/a", 0).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_never_reaches_the_page() {
        assert_eq!(served("/a", "/a", BODY_LIMIT).await.unwrap().status, 200);
        assert_eq!(served("/a", "/a", BODY_LIMIT + 1).await.unwrap_err().status(), 413);
    }

    #[test]
    fn a_header_that_is_repeated_has_no_value() {
        let lines: &[(&str, &str)] = &[("Host", "a"), ("host", "b"), ("origin", "c")];
        let request = PageRequest::new(&Request::new("GET", "/", None, &lines), "");
        assert_eq!((request.header("host"), request.header("origin")), (None, Some("c")));
        assert_eq!(request.lines("host").count(), 2);
    }
}

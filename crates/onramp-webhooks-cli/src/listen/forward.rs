//! The handler, which forwards deliveries to an address.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use onramp_webhooks::clock::Clock;
use onramp_webhooks::{Delivery, Handler, HandlerError, async_trait};
use tokio::time::{Instant, timeout};

use super::notice::Attempt;
use super::signature::SigningSecret;
use super::watched::Reporter;
use crate::http::{Answer, HttpClient, Payload};
use crate::time::rfc3339;

/// The pause of a delivery that is parked without a `retry-after`.
const PARKED: Duration = Duration::from_secs(5);

/// The longest pause that a `retry-after` can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);

/// The number of characters of a response that are kept.
const EXCERPT: usize = 300;

/// The longest value of a header, in bytes.
const LONGEST_VALUE: usize = 512;

/// A handler that forwards deliveries, or only reports them.
pub(super) struct Forward {
    pub(super) target: Option<Target>,
    /// The share of attempts that fail without being forwarded.
    pub(super) fail: f64,
    pub(super) reporter: Reporter,
}

/// The address that gets the deliveries.
pub(super) struct Target {
    pub(super) client: HttpClient,
    pub(super) uri: Uri,
    /// Headers of the user.
    pub(super) headers: HeaderMap,
    pub(super) secret: Option<SigningSecret>,
    pub(super) timeout: Duration,
    /// The types of events that are forwarded; empty for all.
    pub(super) events: BTreeSet<String>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Forward {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let begun = Instant::now();
        let (status, result) = self.attempt(delivery).await;
        self.reporter.attempted(delivery.id(), Attempt { number: delivery.attempt(), status, took: begun.elapsed() });
        result
    }
}

impl Forward {
    async fn attempt(&self, delivery: &Delivery) -> (Option<u16>, Result<(), HandlerError>) {
        if fastrand::f64() < self.fail {
            return (None, Err(HandlerError::transient("failed by --fail")));
        }
        let Some(target) = self.target.as_ref().filter(|target| target.gets(delivery)) else { return (None, Ok(())) };
        match target.post(delivery).await {
            Ok(answer) => (Some(answer.status), result(&answer, target.clock.now().into())),
            Err(error) => (None, Err(HandlerError::transient(error))),
        }
    }
}

impl Target {
    fn gets(&self, delivery: &Delivery) -> bool {
        self.events.is_empty() || self.events.contains(delivery.event().type_name())
    }

    async fn post(&self, delivery: &Delivery) -> Result<Answer, String> {
        let request = self.client.post(self.uri.clone(), self.headers(delivery), Payload::new(delivery.raw().clone()));
        match timeout(self.timeout, request).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no response within {} s", self.timeout.as_secs_f64())),
        }
    }

    /// Returns the headers of a forwarded delivery.
    fn headers(&self, delivery: &Delivery) -> HeaderMap {
        let id = delivery.key().map_or_else(|| format!("{}/{}", delivery.endpoint(), delivery.id()), ToString::to_string);
        let id = header_text(&id);
        let flag = |is_set: bool| HeaderValue::from_static(if is_set { "true" } else { "false" });
        let mut headers = self.headers.clone();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("onramp-webhooks-listen/", env!("CARGO_PKG_VERSION"))));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(delivery.raw())));
        headers.insert("onramp-stale", flag(delivery.is_stale()));
        headers.insert("onramp-synthetic", flag(delivery.is_synthetic()));
        let values = [
            ("idempotency-key", id.clone()),
            ("onramp-delivery", delivery.id().to_string()),
            ("onramp-attempt", delivery.attempt().to_string()),
            ("onramp-endpoint", header_text(delivery.endpoint())),
            ("onramp-provider", header_text(delivery.provider().as_str())),
            ("onramp-type", header_text(delivery.event().type_name())),
            ("onramp-received-at", rfc3339(delivery.received_at())),
        ];
        let signed = self.secret.as_ref().map(|secret| {
            let (seconds, signature) = secret.sign(&id, self.clock.now(), delivery.raw());
            [("webhook-id", id), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)]
        });
        for (name, value) in values.into_iter().chain(signed.into_iter().flatten()) {
            // Every value is visible ASCII.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("fail", &self.fail).finish_non_exhaustive()
    }
}

/// Returns whether a header is set by this program, or describes the connection.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    let own = ["idempotency-key", "content-type", "user-agent"];
    let of_connection = ["host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"];
    own.into_iter().chain(of_connection).any(|reserved| reserved == name)
        || ["onramp-", "webhook-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the result of a response, which was received at `now`.
fn result(answer: &Answer, now: SystemTime) -> Result<(), HandlerError> {
    let retry_after = retry_after(&answer.headers, now);
    match (answer.status, retry_after) {
        (200..300, _) => Ok(()),
        (425, pause) => Err(HandlerError::not_yet(pause.unwrap_or(PARKED), note(answer))),
        (429 | 503, Some(pause)) => Err(HandlerError::not_yet(pause, note(answer))),
        (410, _) => Err(HandlerError::permanent(note(answer))),
        // 304 says that a copy is up to date, and has no other address.
        (300..=303 | 305..400, _) => Err(HandlerError::transient(format!(
            "{}: redirects are not followed; use the address that it redirects to",
            note(answer)
        ))),
        _ => Err(HandlerError::transient(note(answer))),
    }
}

fn note(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.excerpt);
    let text: String = text.trim().chars().take(EXCERPT).collect();
    format!("{} {text}", answer.status).trim_end().to_owned()
}

/// Parses `retry-after`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let date = || httpdate::parse_http_date(text).ok().map(|at| at.duration_since(now).unwrap_or_default());
    text.parse().map(Duration::from_secs).ok().or_else(date).map(|pause| pause.min(LONGEST_PAUSE))
}

/// Returns the type of a body: a receiver keeps the body only, and Kriptomat sends JSON or forms.
fn content_type(body: &[u8]) -> &'static str {
    let is_json = body.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
    if is_json { "application/json" } else { "application/x-www-form-urlencoded" }
}

/// Returns a text as the value of a header: visible ASCII, everything else and `%` percent-encoded, and not too long.
fn header_text(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        if value.len() >= LONGEST_VALUE {
            break;
        }
        if byte.is_ascii_graphic() && byte != b'%' {
            value.push(char::from(byte));
        } else {
            value.push_str(&format!("%{byte:02X}"));
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use onramp_webhooks::HandlerErrorKind;

    use super::*;

    const NOW: u64 = 784_111_777;

    fn kind(status: u16, retry_after: Option<&str>) -> Option<HandlerErrorKind> {
        let mut headers = HeaderMap::new();
        retry_after.map(|value| headers.insert(RETRY_AFTER, value.parse().unwrap()));
        let answer = Answer { status, headers, excerpt: Bytes::from_static(b" body\n") };
        result(&answer, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)).err().map(|error| error.kind())
    }

    #[test]
    fn each_response_has_its_result() {
        use HandlerErrorKind::{NotYet, Permanent, Transient};
        let seconds = Duration::from_secs;
        for (status, retry_after, expected) in [
            (200, None, None),
            (204, Some("7"), None),
            (299, None, None),
            (425, None, Some(NotYet(PARKED))),
            (425, Some("7"), Some(NotYet(seconds(7)))),
            (429, None, Some(Transient)),
            (429, Some("7"), Some(NotYet(seconds(7)))),
            (503, None, Some(Transient)),
            (503, Some("Sun, 06 Nov 1994 08:50:37 GMT"), Some(NotYet(seconds(60)))),
            (503, Some("Sun, 06 Nov 1994 08:00:00 GMT"), Some(NotYet(seconds(0)))),
            (503, Some("99999999999"), Some(NotYet(LONGEST_PAUSE))),
            (503, Some("soon"), Some(Transient)),
            (410, Some("7"), Some(Permanent)),
            (301, None, Some(Transient)),
            (400, None, Some(Transient)),
            (500, Some("7"), Some(Transient)),
            (100, None, Some(Transient)),
        ] {
            assert_eq!(kind(status, retry_after), expected, "{status} {retry_after:?}");
        }
    }

    #[test]
    fn redirects_are_said_not_to_be_followed_and_304_is_none() {
        for (status, is_redirect) in [(301, true), (308, true), (304, false), (404, false)] {
            let answer = Answer { status, headers: HeaderMap::new(), excerpt: Bytes::from_static(b" body\n") };
            let error = result(&answer, SystemTime::UNIX_EPOCH).unwrap_err().to_string();
            assert!(error.contains(&format!("{status} body")), "{error}");
            assert_eq!(error.contains("redirect"), is_redirect, "{error}");
        }
    }

    #[test]
    fn header_values_are_visible_and_short() {
        assert_eq!(header_text("wert/order/7#conflict:a"), "wert/order/7#conflict:a");
        assert_eq!(header_text("a b\r\nx: y%é\u{202e}"), "a%20b%0D%0Ax:%20y%25%C3%A9%E2%80%AE");
        assert!(header_text(&"é".repeat(10_000)).len() <= LONGEST_VALUE + 3);
    }

    #[test]
    fn headers_of_this_program_and_of_the_connection_are_reserved() {
        for name in ["host", "content-length", "onramp-delivery", "webhook-id", "idempotency-key", "content-type"] {
            assert!(is_reserved(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["authorization", "x-api-key", "accept"] {
            assert!(!is_reserved(&HeaderName::from_static(name)), "{name}");
        }
    }
}

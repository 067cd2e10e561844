//! Replies: the table from outcomes to status codes.
//!
//! | outcome | a provider that needs 200 always (Wert) | other providers (Kriptomat) |
//! | --- | --- | --- |
//! | recorded: new, duplicate, conflict; kept in the spill | 200 | 200 |
//! | recorded in quarantine: unreadable | 200 | 400 |
//! | recorded in quarantine: over the limit | 200 | 413 |
//! | no such endpoint, wrong path secret | 404 | 404 |
//! | not signed by its provider | 401 | 401 |
//! | address not allowed or not known | 403 | 403 |
//! | method other than `POST` | 405 | 405 |
//! | the body broke off | 408 | 408 |
//! | not recorded in time, or the store failed | 503 | 503 |
//! | idempotency by event: the first copy is still running | 503 | 503 |
//! | idempotency by header: the first request is still running | | 409 |
//! | idempotency: the key was used for another body | 200 | 422 |
//! | idempotency: done, and the reply was not kept because it was too large or its client disconnected | 200 | 409 |
//! | idempotency: the key is missing or unreadable | | 400 |
//! | a handler needs the client, and no allow-list is in front of its route | | 500 |
//! | the response of a page is not valid HTTP | | 500 |
//!
//! The body of a success is `{"received":true}`. The body of every other reply is a problem document (RFC 9457).

use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use crate::body::Hidden;
use crate::header_block::HeaderBlock;
use crate::provider::Acknowledgement;

/// Seconds after which a sender may retry while the store is unavailable.
const RETRY_AFTER: &str = "5";

/// Seconds after which a running request may have ended.
const RETRY_RUNNING_AFTER: &str = "1";

/// The documentation of idempotency keys, for clients that use them wrongly.
const KEYS: &str = "https://docs.rs/onramp-webhooks/latest/onramp_webhooks/idempotency/";

/// Header sent after a body that broke off, because the start of the next request on the connection is unknown.
const CLOSE: (&str, &str) = ("connection", "close");

/// A reply, which an adapter sends unchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    content_type: Option<&'static str>,
    header: Option<(&'static str, &'static str)>,
    kept: HeaderBlock,
    body: Bytes,
}

/// Leaves out the body and the headers, which may be those of a stored reply.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).field("body", &Hidden(&self.body)).finish_non_exhaustive()
    }
}

impl Reply {
    /// Creates the reply to an event that was received: 200 with `{"received":true}`. Handlers without a receiver return it after
    /// their work is done.
    #[must_use]
    pub const fn received() -> Self {
        Self::new(200, Some("application/json"), Bytes::from_static(br#"{"received":true}"#))
    }

    /// Creates the reply that makes a provider send its event again: 503 with `retry-after`.
    #[must_use]
    pub fn try_again() -> Self {
        Outcome::NotRecorded.reply(Acknowledgement::Always)
    }

    /// Creates the reply to a health check: 200, or 503 to take the process out of a load balancer.
    pub(crate) fn health(healthy: bool, report: &impl Serialize) -> Self {
        // Reports consist of strings, numbers and booleans, which always serialise.
        let body = serde_json::to_vec(report).unwrap_or_default();
        Self::new(if healthy { 200 } else { 503 }, Some("application/json"), body.into())
    }

    /// Creates the reply to a health check with another method.
    pub(crate) fn not_checked() -> Self {
        Self::problem(405, "Method not allowed", "health is checked with GET or HEAD").with("allow", "GET, HEAD")
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers to send, by lower-case name.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let content_type = self.content_type.map(|value| ("content-type", value));
        let own = content_type.into_iter().chain(self.header).map(|(name, value)| (name, value.as_bytes()));
        own.chain(self.kept.lines())
    }

    /// Returns whether the connection has to be closed afterwards. The headers also contain `connection: close`, but some
    /// frameworks ignore it.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.header == Some(CLOSE)
    }

    /// Returns the body to send.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the body to send, without a copy.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Creates a copy of an earlier reply, with a header that marks it as a replay.
    pub(crate) fn replayed(status: u16, headers: HeaderBlock, body: Bytes) -> Self {
        Self { kept: headers, ..Self::new(status, None, body) }.with("idempotent-replayed", "true")
    }

    const fn new(status: u16, content_type: Option<&'static str>, body: Bytes) -> Self {
        Self { status, content_type, header: None, kept: HeaderBlock::new(), body }
    }

    fn problem(status: u16, title: &str, detail: &str) -> Self {
        Self::problem_of("about:blank", status, title, detail)
    }

    /// Creates the reply to a request with an idempotency key that cannot be accepted, with a link to its documentation.
    fn key_problem(status: u16, title: &str, detail: &str) -> Self {
        Self::problem_of(KEYS, status, title, detail)
    }

    fn problem_of(r#type: &str, status: u16, title: &str, detail: &str) -> Self {
        let problem = Problem { r#type, title, status, detail };
        // Strings and numbers always serialise.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        Self::new(status, Some("application/problem+json"), body.into())
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Duplicate,
    Conflict,
    Spilled,
    Unreadable(String),
    TooLarge,
    NoEndpoint,
    Denied,
    Unverified,
    Method,
    BodyStopped,
    NotRecorded,
    NoKey,
    BadKey(&'static str),
    StillRunning,
    EventStillRunning,
    OtherBody,
    ReplyNotKept,
    NoAllowList,
    BadPage,
}

impl Outcome {
    /// Returns the label of the outcome in metrics and logs.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Spilled => "spilled",
            Self::Unreadable(_) => "quarantined",
            Self::TooLarge => "too_large",
            Self::NoEndpoint => "not_found",
            Self::Denied => "denied",
            Self::Unverified => "unverified",
            Self::Method => "method_not_allowed",
            Self::BodyStopped => "body_stopped",
            Self::NotRecorded => "not_recorded",
            Self::NoKey => "no_key",
            Self::BadKey(_) => "bad_key",
            Self::StillRunning | Self::EventStillRunning => "still_running",
            Self::OtherBody => "other_body",
            Self::ReplyNotKept => "reply_not_kept",
            Self::NoAllowList => "no_allow_list",
            Self::BadPage => "bad_page",
        }
    }

    /// Returns whether the request was recorded. Its reply may still be an error.
    pub(crate) const fn is_recorded(&self) -> bool {
        matches!(self, Self::New | Self::Duplicate | Self::Conflict | Self::Spilled | Self::Unreadable(_) | Self::TooLarge)
    }

    /// Returns the reply to the outcome, by the table in the module docs.
    pub(crate) fn reply(&self, acknowledgement: Acknowledgement) -> Reply {
        let always = matches!(acknowledgement, Acknowledgement::Always);
        match self {
            Self::New | Self::Duplicate | Self::Conflict | Self::Spilled => Reply::received(),
            Self::Unreadable(_) | Self::TooLarge if always => Reply::received(),
            Self::OtherBody | Self::ReplyNotKept if always => Reply::received(),
            Self::Unreadable(reason) => Reply::problem(400, "Unreadable event", reason),
            Self::TooLarge => Reply::problem(413, "Body too large", "the body is larger than the limit"),
            Self::NoEndpoint => Reply::problem(404, "Not found", "there is no such endpoint"),
            Self::Denied => Reply::problem(403, "Forbidden", "this address is not allowed here"),
            Self::Unverified => Reply::problem(401, "Unauthorized", "the signature of the request cannot be verified"),
            Self::Method => Reply::problem(405, "Method not allowed", "events are sent with POST").with("allow", "POST"),
            Self::BodyStopped => Reply::problem(408, "Request timeout", "the body did not arrive in time").with(CLOSE.0, CLOSE.1),
            Self::NotRecorded => Reply::problem(503, "Not recorded", "the request could not be recorded; send it again")
                .with("retry-after", RETRY_AFTER),
            Self::EventStillRunning => {
                Reply::problem(503, "Still running", "the first copy of this event is still being handled")
                    .with("retry-after", RETRY_AFTER)
            }
            Self::NoKey => Reply::key_problem(400, "Idempotency-Key is missing", "this route needs the header idempotency-key"),
            Self::BadKey(why) => Reply::key_problem(400, "Idempotency-Key cannot be read", why),
            Self::StillRunning => Reply::key_problem(409, "Still running", "a request with this key is still being handled")
                .with("retry-after", RETRY_RUNNING_AFTER),
            Self::OtherBody => {
                Reply::key_problem(422, "Idempotency-Key is already used", "this key was used for a request with other content")
            }
            Self::ReplyNotKept => Reply::key_problem(409, "Already done", "this request was handled; its reply was not kept"),
            Self::NoAllowList => Reply::problem(500, "Internal server error", "this route is not set up correctly"),
            Self::BadPage => Reply::problem(500, "Internal server error", "this page cannot be shown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn row(outcome: &Outcome) -> (u16, u16) {
        (outcome.reply(Acknowledgement::Always).status(), outcome.reply(Acknowledgement::Readable).status())
    }

    #[test]
    fn replies_match_the_documented_table() {
        let rows = [
            (Outcome::New, (200, 200)),
            (Outcome::Duplicate, (200, 200)),
            (Outcome::Conflict, (200, 200)),
            (Outcome::Spilled, (200, 200)),
            (Outcome::Unreadable("why".into()), (200, 400)),
            (Outcome::TooLarge, (200, 413)),
            (Outcome::NoEndpoint, (404, 404)),
            (Outcome::Denied, (403, 403)),
            (Outcome::Unverified, (401, 401)),
            (Outcome::Method, (405, 405)),
            (Outcome::BodyStopped, (408, 408)),
            (Outcome::NotRecorded, (503, 503)),
            (Outcome::NoKey, (400, 400)),
            (Outcome::BadKey("why"), (400, 400)),
            (Outcome::StillRunning, (409, 409)),
            (Outcome::EventStillRunning, (503, 503)),
            (Outcome::OtherBody, (200, 422)),
            (Outcome::ReplyNotKept, (200, 409)),
            (Outcome::NoAllowList, (500, 500)),
            (Outcome::BadPage, (500, 500)),
        ];
        for (outcome, statuses) in rows {
            assert_eq!(row(&outcome), statuses, "{outcome:?}");
        }
    }

    #[test]
    fn replies_have_their_headers_and_bodies() {
        let text = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap());
        let headers = |reply: &Reply| reply.headers().map(text).collect::<Vec<_>>();
        let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let received = Outcome::New.reply(Acknowledgement::Always);
        assert_eq!(received.body().as_ref(), br#"{"received":true}"#);
        assert_eq!(headers(&received), [line("content-type", "application/json")]);

        let method = Outcome::Method.reply(Acknowledgement::Always);
        assert_eq!(headers(&method), [line("content-type", "application/problem+json"), line("allow", "POST")]);

        let stopped = Outcome::BodyStopped.reply(Acknowledgement::Always);
        assert!(stopped.closes() && !received.closes() && !method.closes());
        assert!(headers(&stopped).contains(&line("connection", "close")));

        let unavailable = Outcome::NotRecorded.reply(Acknowledgement::Always);
        assert_eq!(headers(&unavailable), [line("content-type", "application/problem+json"), line("retry-after", "5")]);

        let mut location = BytesMut::new();
        HeaderBlock::put(&mut location, "location", b"/a");
        HeaderBlock::end(&mut location);
        let location = HeaderBlock::take(&mut location.freeze()).unwrap();
        let replayed = Reply::replayed(201, location, Bytes::from_static(b"a"));
        assert_eq!(headers(&replayed), [line("idempotent-replayed", "true"), line("location", "/a")]);

        let unreadable = Outcome::Unreadable("order.base: missing".into()).reply(Acknowledgement::Readable);
        let problem: serde_json::Value = serde_json::from_slice(unreadable.body()).unwrap();
        assert_eq!(problem["status"], 400);
        assert_eq!(problem["detail"], "order.base: missing");
    }
}

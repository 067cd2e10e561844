//! The one table from what happened to what is answered.
//!
//! | what happened | a provider that needs 200 always (Wert) | one that may be told (Kriptomat) |
//! | --- | --- | --- |
//! | recorded: new, duplicate, conflict | 200 | 200 |
//! | recorded in quarantine: unreadable | 200 | 400 |
//! | recorded in quarantine: over the limit | 200 | 413 |
//! | no such endpoint, wrong path secret | 404 | 404 |
//! | address not allowed or not known | 403 | 403 |
//! | method other than `POST` | 405 | 405 |
//! | the body stopped coming | 408 | 408 |
//! | not recorded in time, or the inbox failed | 503 | 503 |
//!
//! Success is `{"received":true}`; everything else is a problem of RFC 9457.

use bytes::Bytes;
use serde::Serialize;

use crate::event::Acknowledgement;

/// Seconds after which a sender may try again when the inbox is away.
const RETRY_AFTER: &str = "5";

/// The answer to a request, for an adapter to send as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    content_type: &'static str,
    header: Option<(&'static str, &'static str)>,
    body: Bytes,
}

impl Reply {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers to send, by lower-case name.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        [("content-type", self.content_type)].into_iter().chain(self.header)
    }

    /// The body to send.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body to send, without a copy.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    const fn received() -> Self {
        Self { status: 200, content_type: "application/json", header: None, body: Bytes::from_static(br#"{"received":true}"#) }
    }

    fn problem(status: u16, title: &str, detail: &str) -> Self {
        let problem = Problem { r#type: "about:blank", title, status, detail };
        // Strings and a number always serialise.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        Self { status, content_type: "application/problem+json", header: None, body: body.into() }
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

/// What happened to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Duplicate,
    Conflict,
    Unreadable(String),
    TooLarge,
    NoEndpoint,
    Denied,
    Method,
    BodyStopped,
    NotRecorded,
}

impl Outcome {
    /// The word for it in metrics and logs.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Unreadable(_) => "quarantined",
            Self::TooLarge => "too_large",
            Self::NoEndpoint => "not_found",
            Self::Denied => "denied",
            Self::Method => "method_not_allowed",
            Self::BodyStopped => "body_stopped",
            Self::NotRecorded => "not_recorded",
        }
    }

    /// The table.
    pub(crate) fn reply(&self, acknowledgement: Acknowledgement) -> Reply {
        let always = matches!(acknowledgement, Acknowledgement::Always);
        match self {
            Self::New | Self::Duplicate | Self::Conflict => Reply::received(),
            Self::Unreadable(_) | Self::TooLarge if always => Reply::received(),
            Self::Unreadable(reason) => Reply::problem(400, "Unreadable event", reason),
            Self::TooLarge => Reply::problem(413, "Body too large", "the body is larger than this endpoint reads"),
            Self::NoEndpoint => Reply::problem(404, "Not found", "there is no such endpoint"),
            Self::Denied => Reply::problem(403, "Forbidden", "this address may not send events here"),
            Self::Method => Reply::problem(405, "Method not allowed", "events are sent with POST").with("allow", "POST"),
            Self::BodyStopped => {
                Reply::problem(408, "Request timeout", "the body did not arrive in time").with("connection", "close")
            }
            Self::NotRecorded => Reply::problem(503, "Not recorded", "the event could not be recorded; send it again")
                .with("retry-after", RETRY_AFTER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: &Outcome) -> (u16, u16) {
        (outcome.reply(Acknowledgement::Always).status(), outcome.reply(Acknowledgement::Readable).status())
    }

    #[test]
    fn the_table_is_the_documented_one() {
        let rows = [
            (Outcome::New, (200, 200)),
            (Outcome::Duplicate, (200, 200)),
            (Outcome::Conflict, (200, 200)),
            (Outcome::Unreadable("why".into()), (200, 400)),
            (Outcome::TooLarge, (200, 413)),
            (Outcome::NoEndpoint, (404, 404)),
            (Outcome::Denied, (403, 403)),
            (Outcome::Method, (405, 405)),
            (Outcome::BodyStopped, (408, 408)),
            (Outcome::NotRecorded, (503, 503)),
        ];
        for (outcome, statuses) in rows {
            assert_eq!(row(&outcome), statuses, "{outcome:?}");
        }
    }

    #[test]
    fn success_and_problems_say_what_they_are() {
        let headers = |reply: &Reply| reply.headers().collect::<Vec<_>>();
        let received = Outcome::New.reply(Acknowledgement::Always);
        assert_eq!(received.body().as_ref(), br#"{"received":true}"#);
        assert_eq!(headers(&received), [("content-type", "application/json")]);

        let method = Outcome::Method.reply(Acknowledgement::Always);
        assert_eq!(headers(&method), [("content-type", "application/problem+json"), ("allow", "POST")]);

        let away = Outcome::NotRecorded.reply(Acknowledgement::Always);
        assert_eq!(headers(&away), [("content-type", "application/problem+json"), ("retry-after", "5")]);

        let unreadable = Outcome::Unreadable("order.base: missing".into()).reply(Acknowledgement::Readable);
        let problem: serde_json::Value = serde_json::from_slice(unreadable.body()).unwrap();
        assert_eq!(problem["status"], 400);
        assert_eq!(problem["detail"], "order.base: missing");
    }
}

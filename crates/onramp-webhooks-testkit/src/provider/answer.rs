//! Scripted answers of the fake provider.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// An answer to one request: a true one, a false one, or a fault.
///
/// ```
/// use std::time::Duration;
/// use onramp_webhooks_testkit::provider::Answer;
///
/// let busy = Answer::status(503).header("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT");
/// let slow = Answer::truth().after(Duration::from_millis(200));
/// ```
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) delay: Option<Duration>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Truth,
    Lie(Lie),
    Reply(Reply),
    Close,
    Never,
}

#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Whole(Bytes),
    /// The connection breaks after these bytes.
    CutOff(Bytes),
    /// These bytes, again and again.
    Endless(Bytes),
}

/// A page of the Data API that is well-formed and wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// The page begins with an order that was not requested.
    AnotherOrder,
    /// The page has its first order twice.
    OrderTwice,
    /// Every page is full of orders that did not exist before, and names a new next page.
    EndlessCursor,
    /// Every page names the same next page.
    RepeatedCursor,
}

impl Answer {
    /// Answers with the orders that the provider has.
    #[must_use]
    pub const fn truth() -> Self {
        Self { delay: None, kind: Kind::Truth }
    }

    /// Answers a query of the Data API wrongly; other requests get true answers.
    #[must_use]
    pub const fn lie(lie: Lie) -> Self {
        Self { delay: None, kind: Kind::Lie(lie) }
    }

    /// A status with a small JSON body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::json(status, &serde_json::json!({ "success": false, "message": "scripted" }))
    }

    /// A status and a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::reply(status, "application/json", Content::Whole(body.to_string().into()))
    }

    /// A status and any body.
    #[must_use]
    pub fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::reply(status, content_type, Content::Whole(body.into()))
    }

    /// Status 200 and an HTML page, as from a maintenance page or a captive portal.
    #[must_use]
    pub fn html() -> Self {
        Self::body(200, "text/html", "<!doctype html><title>Back soon</title>")
    }

    /// Status 200 and JSON that ends too early, by a length that says so.
    #[must_use]
    pub fn truncated_json() -> Self {
        Self::body(200, "application/json", r#"{"success":true,"data":[{"order_id":"01GMAP"#)
    }

    /// Status 200, the beginning of a body, and then a connection that breaks.
    #[must_use]
    pub fn cut_off() -> Self {
        Self::reply(200, "application/json", Content::CutOff(r#"{"success":true,"#.into()))
    }

    /// Status 200 and JSON that never ends.
    #[must_use]
    pub fn endless() -> Self {
        Self::reply(200, "application/json", Content::Endless(Bytes::from_static(&[b' '; 8 << 10])))
    }

    /// A redirect to another address, with status 307, which repeats method and body.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::status(307).header("location", to)
    }

    /// Closes the connection instead of answering.
    #[must_use]
    pub const fn close() -> Self {
        Self { delay: None, kind: Kind::Close }
    }

    /// Never answers, and keeps the connection open.
    #[must_use]
    pub const fn never() -> Self {
        Self { delay: None, kind: Kind::Never }
    }

    /// Delays the answer until `delay` after the request has arrived.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Sets a header. True answers, false pages and closed connections have no headers of their own and stay as
    /// they are.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Kind::Reply(reply) = &mut self.kind {
            reply.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            reply.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn reply(status: u16, content_type: &str, body: Content) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { delay: None, kind: Kind::Reply(Reply { status, headers, body }) }
    }
}

/// The true answer.
impl Default for Answer {
    fn default() -> Self {
        Self::truth()
    }
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: Content::Whole(body.to_string().into()) }
    }
}

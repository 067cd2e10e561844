//! Scripted responses of the fake provider.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// A response to one request: a correct one, an incorrect one, or a fault.
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
    /// These bytes, repeated without end.
    Endless(Bytes),
}

/// A page of the Data API that is well-formed but incorrect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// The page begins with an order that was not requested.
    AnotherOrder,
    /// The page has its first order twice.
    OrderTwice,
    /// Every page is full of new orders and refers to a new next page.
    EndlessCursor,
    /// Every page refers to the same next page.
    RepeatedCursor,
}

impl Answer {
    /// Responds with the orders of the provider.
    #[must_use]
    pub const fn truth() -> Self {
        Self { delay: None, kind: Kind::Truth }
    }

    /// Responds to a query of the Data API with an incorrect page, and to other requests correctly.
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

    /// Status 200 and truncated JSON, with a `content-length` of the truncated body.
    #[must_use]
    pub fn truncated_json() -> Self {
        Self::body(200, "application/json", r#"{"success":true,"data":[{"order_id":"01GMAP"#)
    }

    /// Status 200 and the beginning of a body, after which the connection breaks.
    #[must_use]
    pub fn cut_off() -> Self {
        Self::reply(200, "application/json", Content::CutOff(r#"{"success":true,"#.into()))
    }

    /// Status 200 and JSON that never ends.
    #[must_use]
    pub fn endless() -> Self {
        Self::reply(200, "application/json", Content::Endless(Bytes::from_static(&[b' '; 8 << 10])))
    }

    /// A redirect to another URL with status 307, which preserves the method and the body.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::status(307).header("location", to)
    }

    /// Closes the connection without a response.
    #[must_use]
    pub const fn close() -> Self {
        Self { delay: None, kind: Kind::Close }
    }

    /// Never responds, and keeps the connection open.
    #[must_use]
    pub const fn never() -> Self {
        Self { delay: None, kind: Kind::Never }
    }

    /// Delays the response by `delay` after the arrival of the request.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Sets a header. Has no effect on correct responses, incorrect pages and closed connections.
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

/// Returns [`Answer::truth`].
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

//! Responses of the shop's own routes.

use onramp_webhooks::Reply;
use serde::Serialize;

/// A response for the framework to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Response {
    /// Converts a JSON reply of the core.
    pub(crate) fn of_core(reply: &Reply) -> Self {
        let body = String::from_utf8_lossy(reply.body()).into_owned();
        Self { status: reply.status(), content_type: "application/json", body }
    }

    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        // Strings and booleans always serialize.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self { status, content_type: "application/json", body }
    }
}

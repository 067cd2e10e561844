//! Errors of the API, as RFC 9457 problems.

use onramp_webhooks::adapter::PageResponse;
use onramp_webhooks::{StoreError, StoreErrorKind};
use serde_json::json;

/// An error, which is sent as a problem document. The detail is a sentence for operators.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: u16,
    title: &'static str,
    detail: String,
    header: Option<(&'static str, String)>,
}

impl Problem {
    fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), header: None }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "Bad request", detail)
    }

    pub(crate) fn signed_out() -> Self {
        let header = Some(("www-authenticate", "Bearer".to_owned()));
        Self { header, ..Self::new(401, "Signed out", "Sign in with the token of the inspector.") }
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "Not found", "There is nothing at this address.")
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let header = Some(("allow", allow.to_owned()));
        Self { header, ..Self::new(405, "Method not allowed", format!("Use {allow}.")) }
    }

    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self::new(409, "Refused", detail)
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        let header = Some(("retry-after", seconds.to_string()));
        Self { header, ..Self::new(429, "Too many attempts", format!("Try again in {seconds} s.")) }
    }

    pub(crate) fn busy() -> Self {
        let header = Some(("retry-after", "10".to_owned()));
        Self { header, ..Self::new(503, "Too many pages", "Too many pages are open for live updates.") }
    }

    /// Adds a sentence.
    pub(crate) fn and(mut self, sentence: Option<String>) -> Self {
        if let Some(sentence) = sentence {
            self.detail = format!("{}. {sentence}", self.detail);
        }
        self
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "Internal server error", "The log of the application has the reason.")
    }

    pub(crate) fn response(self) -> PageResponse {
        let Self { status, title, detail, header } = self;
        let body = json!({ "type": "about:blank", "title": title, "status": status, "detail": detail });
        let response = PageResponse::new(status, body.to_string()).header("content-type", "application/problem+json");
        header.into_iter().fold(response, |response, (name, value)| response.header(name, value))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::NotFound => Self::new(404, "Not found", "There is no such delivery."),
            StoreErrorKind::Refused => Self::refused(error.to_string()),
            _ => Self::new(503, "The inbox cannot be used", error.to_string()),
        }
    }
}

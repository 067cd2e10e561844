//! The error type.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The error of a failed request to a provider.
///
/// Holds the operation, the [kind](Self::kind) of the failure, and whether a retry can help. Keys, tokens, URLs and response bodies
/// appear in neither `Display` nor `Debug`.
pub struct ClientError {
    kind: ClientErrorKind,
    operation: &'static str,
    detail: Cow<'static, str>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    response_excerpt: Option<Box<str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`ClientError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The request or the client's configuration is not valid. Nothing was sent.
    Invalid,
    /// No connection could be made. Nothing was sent.
    Unreachable,
    /// No complete response arrived in time, or the provider timed out (408). The provider may have received the request.
    TimedOut,
    /// The connection broke. The provider may have received the request.
    Interrupted,
    /// The key or token is not accepted (401).
    Unauthorized,
    /// The key, the token or this machine's address lacks permission (403).
    Forbidden,
    /// The URL does not exist (404).
    NotFound,
    /// The provider redirected the request (3xx). Redirects are not followed, because the key would be sent along.
    Redirected,
    /// Too many requests (429).
    RateLimited,
    /// The provider rejected the request (any other 4xx), or reported a failure in the body.
    Refused,
    /// The provider failed (5xx).
    ProviderFailed,
    /// The response is longer than [`max_response_size`](crate::ApiBuilder::max_response_size).
    TooLarge,
    /// The response is not JSON or is truncated, such as an HTML page from a proxy.
    NotJson,
    /// The response is JSON, but does not have the documented form.
    Unreadable,
    /// The response contradicts the request or itself: it has an order that was not requested, or the same order twice.
    Contradiction,
    /// The pages do not end: a cursor occurred twice, a page had no new orders, or there are more than
    /// [`max_pages`](crate::wert::OrdersQuery::max_pages).
    EndlessPages,
    /// The widget was started, but its purchase could not be [stored](crate::KriptomatApi::start). Its URL is discarded, so it is safe
    /// to start another one.
    NotStored,
}

impl ClientError {
    pub(crate) fn new(kind: ClientErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, detail: Cow::Borrowed(""), status: None, retry_after: None, response_excerpt: None, source: None }
    }

    pub(crate) fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    pub(crate) fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    pub(crate) fn with_status(self, status: u16, retry_after: Option<Duration>) -> Self {
        Self { status: Some(status), retry_after, ..self }
    }

    pub(crate) fn with_pause(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    pub(crate) fn with_response_excerpt(self, excerpt: Box<str>) -> Self {
        Self { response_excerpt: Some(excerpt), ..self }
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(&self) -> ClientErrorKind {
        self.kind
    }

    /// Returns `true` if the same request can succeed later without a change to the request or the configuration. See
    /// [`retry_after`](Self::retry_after).
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        use ClientErrorKind::{Interrupted, NotJson, NotStored, ProviderFailed, RateLimited, TimedOut, Unreachable};
        matches!(self.kind, Unreachable | TimedOut | Interrupted | RateLimited | ProviderFailed | NotJson | NotStored)
    }

    /// Returns the pause that the provider asked for, if it sent one. Capped at a day.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns `true` if the provider cannot have received the request, so that repeating it is safe even if it is not idempotent.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        matches!(self.kind, ClientErrorKind::Invalid | ClientErrorKind::Unreachable)
    }

    /// Returns `true` if the failure concerns this request or its response only, so that another request may succeed.
    pub(crate) const fn is_request_specific(&self) -> bool {
        use ClientErrorKind::{Contradiction, EndlessPages, Invalid, TooLarge, Unreadable};
        matches!(self.kind, Contradiction | EndlessPages | Invalid | TooLarge | Unreadable)
    }

    /// Returns the HTTP status, if the status is the reason for the failure.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the beginning of the response body, at most 1024 characters, for debugging. The key or token is removed from it; personal
    /// data is not.
    #[must_use]
    pub fn response_excerpt(&self) -> Option<&str> {
        self.response_excerpt.as_deref()
    }
}

impl fmt::Display for ClientErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Invalid => "the request is not valid",
            Self::Unreachable => "the provider cannot be reached",
            Self::TimedOut => "no response in time",
            Self::Interrupted => "the connection broke",
            Self::Unauthorized => "the key is not accepted; sandbox and production have different ones",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not found; check the base URL",
            Self::Redirected => "redirected; check the base URL",
            Self::RateLimited => "too many requests",
            Self::Refused => "the provider rejected the request",
            Self::ProviderFailed => "the provider failed",
            Self::TooLarge => "the response is too long",
            Self::NotJson => "the response is not JSON",
            Self::Unreadable => "the response does not have the documented form",
            Self::Contradiction => "the response contradicts itself or the request",
            Self::EndlessPages => "the pages do not end",
            Self::NotStored => "the widget was started, but its purchase could not be stored",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind)?;
        if let Some(status) = self.status {
            write!(f, " (status {status})")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        match self.retry_after {
            Some(after) => {
                write!(f, "; try again after {} s", after.as_secs().saturating_add(after.subsec_nanos().min(1).into()))
            }
            None => Ok(()),
        }
    }
}

/// Leaves out the response excerpt, which may hold personal data.
impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.kind)
            .field("operation", &self.operation)
            .field("detail", &self.detail)
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

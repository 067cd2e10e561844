//! Why a provider could not be asked, or what was wrong with its answer.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A provider could not be asked, or its answer is of no use.
///
/// Says what was being done, what went wrong, and whether asking again can help. Keys, tokens, addresses with what is in them, and
/// what the provider answered are in neither `Display` nor `Debug`.
pub struct ClientError {
    kind: ClientErrorKind,
    doing: &'static str,
    detail: Cow<'static, str>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    answer: Option<Box<str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The request, or how the client was set up, breaks a rule; nothing was sent.
    Invalid,
    /// No connection was made: nothing was sent.
    Unreachable,
    /// There was no complete answer in time. The request may have arrived.
    TimedOut,
    /// The connection broke. The request may have arrived.
    Interrupted,
    /// The key or token is not accepted (401).
    Unauthorized,
    /// The key or token is not allowed to do this, or this machine is not (403).
    Forbidden,
    /// There is nothing at that address (404).
    NotFound,
    /// Sent elsewhere (3xx), which is not followed, because the key would go along.
    Redirected,
    /// Too many requests (429).
    RateLimited,
    /// The provider does not accept the request (another 4xx), or says that it failed.
    Refused,
    /// The provider failed (5xx).
    ProviderFailed,
    /// The answer is longer than [`largest_answer`](crate::ApiBuilder::largest_answer).
    TooLarge,
    /// The answer is not JSON, or is cut off: perhaps a page for people from something in between.
    NotJson,
    /// The answer is JSON, and not what the documentation promises.
    Misfit,
    /// The answer contradicts the request or itself: an order that nobody asked for, or one twice.
    Contradiction,
    /// The pages do not end: the next one was there before, brings nothing new, or is beyond
    /// [`most_pages`](crate::wert::OrdersQuery::most_pages).
    EndlessPages,
    /// The widget was started, and could not be [written down](crate::KriptomatApi::start). Nobody knows its address, so another one can be
    /// started.
    NotWrittenDown,
}

impl ClientError {
    pub(crate) fn new(kind: ClientErrorKind, doing: &'static str) -> Self {
        Self { kind, doing, detail: Cow::Borrowed(""), status: None, retry_after: None, answer: None, source: None }
    }

    pub(crate) fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    pub(crate) fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    pub(crate) fn with_status(self, status: u16, retry_after: Option<Duration>) -> Self {
        Self { status: Some(status), retry_after, ..self }
    }

    pub(crate) fn with_answer(self, answer: Box<str>) -> Self {
        Self { answer: Some(answer), ..self }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> ClientErrorKind {
        self.kind
    }

    /// Whether the same request can succeed later, although nobody changes anything at this end. See
    /// [`retry_after`](Self::retry_after).
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        use ClientErrorKind::{Interrupted, NotJson, NotWrittenDown, ProviderFailed, RateLimited, TimedOut, Unreachable};
        matches!(self.kind, Unreachable | TimedOut | Interrupted | RateLimited | ProviderFailed | NotJson | NotWrittenDown)
    }

    /// How long the provider wants to be left alone from now on, if it said so; at most a day.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether it is certain that the provider did not get the request, so that one that starts something can be repeated.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        matches!(self.kind, ClientErrorKind::Invalid | ClientErrorKind::Unreachable)
    }

    /// The status of the answer, if it is the status that tells of the failure.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// The beginning of the answer that is refused here or refuses there, for the eyes of a developer: at most 1024 characters. It
    /// may hold personal data; the key or token is taken out.
    #[must_use]
    pub fn answer(&self) -> Option<&str> {
        self.answer.as_deref()
    }
}

impl fmt::Display for ClientErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Invalid => "the request is not valid",
            Self::Unreachable => "the provider cannot be reached",
            Self::TimedOut => "no answer in time",
            Self::Interrupted => "the connection broke",
            Self::Unauthorized => "the key is not accepted; sandbox and production have different ones",
            Self::Forbidden => "forbidden",
            Self::NotFound => "nothing there; check the base address",
            Self::Redirected => "sent elsewhere; check the base address",
            Self::RateLimited => "too many requests",
            Self::Refused => "the provider refuses",
            Self::ProviderFailed => "the provider failed",
            Self::TooLarge => "the answer is too long",
            Self::NotJson => "the answer is not JSON",
            Self::Misfit => "the answer does not fit",
            Self::Contradiction => "the answer contradicts itself or the request",
            Self::EndlessPages => "the pages do not end",
            Self::NotWrittenDown => "the widget was started and could not be written down",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.kind)?;
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

/// Leaves out what the provider answered.
impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.kind)
            .field("doing", &self.doing)
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

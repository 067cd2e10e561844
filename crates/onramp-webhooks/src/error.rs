//! Errors of stores.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Error of a store call.
///
/// The call recorded and changed nothing, except that it may have taken effect if the error is
/// [`Unavailable`](StoreErrorKind::Unavailable): a call can exceed its time limit or lose its connection after the store has done its work.
///
/// It implements `Clone` because a failed commit is reported to every caller whose delivery was part of it.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    context: &'static str,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kind of a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store is busy or cannot be reached. The call may succeed later.
    Unavailable,
    /// The device is full, or the store has reached its size limit.
    Full,
    /// The store is read-only, or this process has no right to write.
    ReadOnly,
    /// The store is missing or damaged, refuses the credentials, or was written by a newer version.
    Unusable,
    /// The store has been closed.
    Closed,
    /// No delivery has this id.
    NotFound,
    /// The state of the delivery does not allow the call.
    Refused,
}

impl StoreErrorKind {
    /// Returns whether calls will fail until an operator acts: `true` for `ReadOnly` and `Unusable`.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Unusable)
    }

    /// Returns the kind in words, for people.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Unavailable => "the store is unavailable",
            Self::Full => "the store is full",
            Self::ReadOnly => "the store cannot be written",
            Self::Unusable => "the store is unusable",
            Self::Closed => "the store is closed",
            Self::NotFound => "no such delivery",
            Self::Refused => "refused",
        }
    }

    /// Returns the name in health checks.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Unusable => "unusable",
            Self::Closed => "closed",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
        }
    }
}

impl StoreError {
    /// Creates an error without a cause. `context` names the operation, such as `claim deliveries`.
    #[must_use]
    pub const fn new(kind: StoreErrorKind, context: &'static str) -> Self {
        Self { kind, context, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.context, self.kind.in_words())?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for StoreError {
    /// Returns the source of the cause, because the message already contains the cause itself.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref()?.source()
    }
}

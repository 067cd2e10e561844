//! Why a store could not do its work.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A store could not do what was asked; nothing was recorded or changed by the call.
///
/// `Clone`, because one failed commit fails every caller whose delivery was in it.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    context: &'static str,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Somebody else holds the store, or it is away: worth another try soon.
    Unavailable,
    /// No space left on the device, or the store's own size limit is reached.
    Full,
    /// The store cannot be written.
    ReadOnly,
    /// The store is damaged, or was written by a newer version.
    Unusable,
    /// The store has been closed.
    Closed,
    /// No delivery with that id.
    NotFound,
    /// The delivery's state does not allow it.
    Refused,
}

impl StoreError {
    /// An error without a deeper cause; `context` says what was being done.
    #[must_use]
    pub const fn new(kind: StoreErrorKind, context: &'static str) -> Self {
        Self { kind, context, source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Full => "the store is full",
            StoreErrorKind::ReadOnly => "the store cannot be written",
            StoreErrorKind::Unusable => "the store is unusable",
            StoreErrorKind::Closed => "the store is closed",
            StoreErrorKind::NotFound => "no such delivery",
            StoreErrorKind::Refused => "refused",
        };
        write!(f, "{}: {kind}", self.context)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for StoreError {
    /// The cause behind the cause: the first one is part of the message.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref()?.source()
    }
}

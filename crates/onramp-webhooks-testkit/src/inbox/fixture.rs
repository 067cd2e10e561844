//! Fresh inboxes, and what has to live as long as they do.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use onramp_webhooks::Inbox;
use onramp_webhooks::inbox::QuarantineBound;

/// An inbox under test. Cheap to clone; the last clone drops the inbox, and after it what was kept for it.
#[derive(Clone)]
pub struct Fixture {
    inbox: Arc<dyn Inbox>,
    kept: Vec<Arc<dyn Any + Send + Sync>>,
}

impl Fixture {
    /// An inbox that needs nothing but itself.
    #[must_use]
    pub fn new(inbox: impl Inbox) -> Self {
        Self { inbox: Arc::new(inbox), kept: Vec::new() }
    }

    /// Keeps `guard` until the inbox is dropped: a temporary folder, a container, whatever cleans up in its `Drop`.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.kept.push(Arc::new(guard));
        self
    }

    /// The inbox.
    #[must_use]
    pub fn inbox(&self) -> &Arc<dyn Inbox> {
        &self.inbox
    }
}

impl Deref for Fixture {
    type Target = dyn Inbox;

    fn deref(&self) -> &Self::Target {
        &*self.inbox
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("inbox", &self.inbox).field("kept", &self.kept.len()).finish()
    }
}

type Opening = Pin<Box<dyn Future<Output = Fixture> + Send>>;

/// Where fresh inboxes come from.
pub struct Store(Box<dyn Fn(QuarantineBound) -> Opening + Send + Sync>);

impl Store {
    /// Opens inboxes with `open`, each empty and with that bound on its junk.
    pub fn new<F, O>(open: F) -> Self
    where
        F: Fn(QuarantineBound) -> O + Send + Sync + 'static,
        O: Future<Output = Fixture> + Send + 'static,
    {
        Self(Box::new(move |bound| Box::pin(open(bound))))
    }

    pub(super) async fn open(&self) -> Fixture {
        self.open_with(QuarantineBound::default()).await
    }

    pub(super) async fn open_with(&self, bound: QuarantineBound) -> Fixture {
        (self.0)(bound).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

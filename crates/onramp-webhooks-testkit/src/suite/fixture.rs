//! Fresh stores, and the values that have to live as long as they do.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

/// A store under test, as the trait object `S`. Cheap to clone. The last clone drops the store first, and then its guards.
pub struct Fixture<S: ?Sized> {
    store: Arc<S>,
    kept: Vec<Arc<dyn Any + Send + Sync>>,
    pub(crate) forgets_by_itself: bool,
}

impl<S: ?Sized> Fixture<S> {
    pub(crate) const fn of(store: Arc<S>) -> Self {
        Self { store, kept: Vec::new(), forgets_by_itself: false }
    }

    /// Keeps `guard` until the store is dropped: a temporary folder, a container, or any other value that cleans up in its `Drop`.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.kept.push(Arc::new(guard));
        self
    }

    pub(crate) const fn store(&self) -> &Arc<S> {
        &self.store
    }
}

impl<S: ?Sized> Clone for Fixture<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), kept: self.kept.clone(), forgets_by_itself: self.forgets_by_itself }
    }
}

impl<S: ?Sized> Deref for Fixture<S> {
    type Target = S;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

impl<S: ?Sized> fmt::Debug for Fixture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").finish_non_exhaustive()
    }
}

type Opening<S> = Pin<Box<dyn Future<Output = Fixture<S>> + Send>>;
type Open<S, O> = Box<dyn Fn(O) -> Opening<S> + Send + Sync>;

/// A source of fresh stores, opened with the options `O`.
pub struct Store<S: ?Sized, O = ()>(Open<S, O>);

impl<S: ?Sized, O> Store<S, O> {
    pub(crate) fn opened_by<F, R>(open: F) -> Self
    where
        F: Fn(O) -> R + Send + Sync + 'static,
        R: Future<Output = Fixture<S>> + Send + 'static,
    {
        Self(Box::new(move |options| Box::pin(open(options))))
    }

    pub(crate) async fn open_with(&self, options: O) -> Fixture<S> {
        (self.0)(options).await
    }
}

impl<S: ?Sized> Store<S> {
    /// Opens stores with `open`, each empty.
    pub fn new<F, R>(open: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Fixture<S>> + Send + 'static,
    {
        Self::opened_by(move |()| open())
    }
}

impl<S: ?Sized, O: Default> Store<S, O> {
    pub(crate) async fn open(&self) -> Fixture<S> {
        self.open_with(O::default()).await
    }
}

impl<S: ?Sized, O> fmt::Debug for Store<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

//! Several stores over the same data, which handle calls in turn.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::select_all;
use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks::inbox::Inbox;
use onramp_webhooks::spill::SpillStore;

use super::{IdempotencyDouble, InboxDouble, SpillDouble};

/// A double that passes each call to the next of several stores, as if several processes shared the work.
pub struct TakingTurns<S: ?Sized> {
    stores: Vec<Arc<S>>,
    turn: AtomicUsize,
}

impl<S: ?Sized> TakingTurns<S> {
    pub(crate) const fn of(stores: Vec<Arc<S>>) -> Self {
        Self { stores, turn: AtomicUsize::new(0) }
    }

    fn next(&self) -> &S {
        &self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % self.stores.len()]
    }

    /// Waits until one of the stores has woken.
    async fn any<'a>(&'a self, wait: impl Fn(&'a S) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>) {
        select_all(self.stores.iter().map(|store| wait(store))).await;
    }
}

impl<S: ?Sized + fmt::Debug> fmt::Debug for TakingTurns<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TakingTurns").field(&self.stores).finish()
    }
}

#[async_trait]
impl InboxDouble for TakingTurns<dyn Inbox> {
    fn inner(&self) -> &dyn Inbox {
        self.next()
    }

    async fn wait_for_work(&self) {
        self.any(|inbox| inbox.wait_for_work()).await;
    }
}

#[async_trait]
impl IdempotencyDouble for TakingTurns<dyn IdempotencyStore> {
    fn inner(&self) -> &dyn IdempotencyStore {
        self.next()
    }

    async fn changed(&self) {
        self.any(|store| store.changed()).await;
    }
}

#[async_trait]
impl SpillDouble for TakingTurns<dyn SpillStore> {
    fn inner(&self) -> &dyn SpillStore {
        self.next()
    }
}

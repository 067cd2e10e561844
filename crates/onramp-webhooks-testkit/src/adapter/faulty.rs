//! Stores that fail or hang on demand.

use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks::inbox::Inbox;
use onramp_webhooks::{StoreError, StoreErrorKind};
use tokio::sync::watch;

use crate::doubles::{IdempotencyCall, IdempotencyDouble, InboxCall, InboxDouble};

/// The fault of the store calls that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Errors,
    Hangs,
}

/// A store with a fault that can be switched. Clones have the same fault.
#[derive(Debug)]
pub(super) struct Faulty<S: ?Sized> {
    fault: Arc<watch::Sender<Fault>>,
    store: Arc<S>,
}

impl<S: ?Sized> Faulty<S> {
    pub(super) fn new(store: Arc<S>) -> Self {
        Self { fault: Arc::new(watch::Sender::new(Fault::None)), store }
    }

    pub(super) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let mut faults = self.fault.subscribe();
        // `self` keeps the sender alive, so waiting cannot fail.
        let fault = faults.wait_for(|fault| *fault != Fault::Hangs).await.map_or(Fault::None, |fault| *fault);
        if fault == Fault::Errors { Err(StoreError::new(StoreErrorKind::Unavailable, "as a test")) } else { Ok(()) }
    }
}

impl<S: ?Sized> Clone for Faulty<S> {
    fn clone(&self) -> Self {
        Self { fault: Arc::clone(&self.fault), store: Arc::clone(&self.store) }
    }
}

#[async_trait]
impl InboxDouble for Faulty<dyn Inbox> {
    fn inner(&self) -> &dyn Inbox {
        &*self.store
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        if call == InboxCall::Record { self.ready().await } else { Ok(()) }
    }
}

#[async_trait]
impl IdempotencyDouble for Faulty<dyn IdempotencyStore> {
    fn inner(&self) -> &dyn IdempotencyStore {
        &*self.store
    }

    async fn before(&self, call: IdempotencyCall) -> Result<(), StoreError> {
        if call == IdempotencyCall::Claim { self.ready().await } else { Ok(()) }
    }
}

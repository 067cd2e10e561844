//! Stores that fail or stall when they are told to.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{Claim, Found, IdempotencyStore};
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, Inbox, Lease, NewDelivery, Record, Recorded, Replayed, Retention,
    Settlement, State,
};
use onramp_webhooks::{StoreError, StoreErrorKind};
use tokio::sync::watch;

/// How a store behaves at the calls that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Fails,
    Stalls,
}

/// A store that does what it is told before it does its work. Clones are told together.
#[derive(Debug)]
pub(super) struct Stalling<S: ?Sized> {
    mood: Arc<watch::Sender<Mood>>,
    store: Arc<S>,
}

impl<S: ?Sized> Stalling<S> {
    pub(super) fn new(store: Arc<S>) -> Self {
        Self { mood: Arc::new(watch::Sender::new(Mood::Well)), store }
    }

    pub(super) fn be(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let mut moods = self.mood.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let mood = moods.wait_for(|mood| *mood != Mood::Stalls).await.map_or(Mood::Well, |mood| *mood);
        if mood == Mood::Fails { Err(StoreError::new(StoreErrorKind::Unavailable, "as a test")) } else { Ok(()) }
    }
}

impl<S: ?Sized> Clone for Stalling<S> {
    fn clone(&self) -> Self {
        Self { mood: Arc::clone(&self.mood), store: Arc::clone(&self.store) }
    }
}

#[async_trait]
impl Inbox for Stalling<dyn Inbox> {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.ready().await?;
        self.store.record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.store.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.store.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.store.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        self.store.wait_for_work().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
        self.store.list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.store.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.store.counts().await
    }

    async fn rearm(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        self.store.rearm(id, seen, reread).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.store.prune(now, retention).await
    }
}

#[async_trait]
impl IdempotencyStore for Stalling<dyn IdempotencyStore> {
    async fn claim(&self, now: Timestamp, claim: Claim, body: Fingerprint, until: Timestamp) -> Result<Found, StoreError> {
        self.ready().await?;
        self.store.claim(now, claim, body, until).await
    }

    async fn renew(&self, claim: Claim, until: Timestamp) -> Result<bool, StoreError> {
        self.store.renew(claim, until).await
    }

    async fn complete(&self, claim: Claim, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        self.store.complete(claim, reply, expires_at).await
    }

    async fn release(&self, claim: Claim) -> Result<bool, StoreError> {
        self.store.release(claim).await
    }

    async fn changed(&self) {
        self.store.changed().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.store.prune(now).await
    }
}

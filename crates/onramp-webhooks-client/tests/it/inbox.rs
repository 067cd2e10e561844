//! An inbox whose lists can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, Inbox, Lease, MemoryInbox, NewDelivery, Record, Recorded, Replayed,
    Retention, Settlement, State,
};
use onramp_webhooks::{Endpoint, Receiver, Request, StoreError, StoreErrorKind, Wert};

/// A memory inbox of which only so many lists can be read. Clones are the same inbox.
#[derive(Clone, Debug)]
pub(crate) struct Readable {
    inner: Arc<MemoryInbox>,
    lists: Arc<AtomicUsize>,
}

impl Readable {
    pub(crate) fn new() -> Self {
        Self { inner: Arc::default(), lists: Arc::new(usize::MAX.into()) }
    }

    /// From now on, only so many lists can be read.
    pub(crate) fn only(&self, lists: usize) {
        self.lists.store(lists, Ordering::Relaxed);
    }

    /// Receives events at an endpoint of that name, at that time.
    pub(crate) async fn receive_at(&self, endpoint: &str, bodies: &[Bytes], now: Timestamp) {
        let door: Endpoint = Wert::with_path_secret("s3cret").named(endpoint);
        let clock = Arc::new(ManualClock::at(now));
        let receiver = Receiver::builder(self.clone()).endpoint(door).clock(clock).build().unwrap();
        for body in bodies {
            let path = format!("/{endpoint}/s3cret");
            let headers: [(&str, &str); 0] = [];
            let reply = receiver.receive_whole(&Request::new("POST", &path, None, &headers), body.clone()).await;
            assert_eq!(reply.status(), 200);
        }
    }
}

#[async_trait]
impl Inbox for Readable {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.inner.record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.inner.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.inner.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.inner.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        self.inner.wait_for_work().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
        let less = |lists: usize| lists.checked_sub(1);
        let away = |_| StoreError::new(StoreErrorKind::Unavailable, "test");
        self.lists.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).map_err(away)?;
        let listed = self.inner.list(filter).await;
        // As with a database, others go on before what was read is used.
        tokio::task::yield_now().await;
        listed
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.inner.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.inner.counts().await
    }

    async fn rearm(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        self.inner.rearm(id, seen, reread).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.inner.prune(now, retention).await
    }
}

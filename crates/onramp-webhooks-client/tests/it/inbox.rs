//! An inbox whose lists can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{Filter, Inbox, MemoryInbox, Page};
use onramp_webhooks::{Endpoint, Receiver, StoreError, StoreErrorKind, Wert};
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};

/// A memory inbox of which only so many lists can be read. Clones are the same inbox.
pub(crate) type Readable = Double<Limited>;

#[derive(Clone, Debug)]
pub(crate) struct Limited {
    inner: Arc<MemoryInbox>,
    lists: Arc<AtomicUsize>,
}

impl Default for Limited {
    fn default() -> Self {
        Self { inner: Arc::default(), lists: Arc::new(usize::MAX.into()) }
    }
}

impl Limited {
    /// From now on, only so many lists can be read.
    pub(crate) fn only(&self, lists: usize) {
        self.lists.store(lists, Ordering::Relaxed);
    }

    /// Receives events at an endpoint of that name, at that time.
    pub(crate) async fn receive_at(&self, endpoint: &str, bodies: &[Bytes], now: Timestamp) {
        let door: Endpoint = Wert::with_path_secret("s3cret-for-examples").named(endpoint);
        let clock = Arc::new(ManualClock::at(now));
        let receiver = Receiver::builder(Double(self.clone())).endpoint(door).clock(clock).build().unwrap();
        for body in bodies {
            let path = format!("/{endpoint}/s3cret-for-examples");
            let reply = receiver.receive(&Request::new("POST", &path, None, &[]), Full::new(body.clone())).await;
            assert_eq!(reply.status(), 200);
        }
    }
}

#[async_trait]
impl InboxDouble for Limited {
    fn inner(&self) -> &dyn Inbox {
        &self.inner
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        let less = |lists: usize| lists.checked_sub(1);
        let away = |_| StoreError::new(StoreErrorKind::Unavailable, "test");
        self.lists.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).map_err(away)?;
        let listed = self.inner.list(filter).await;
        // As with a database, others go on before what was read is used.
        tokio::task::yield_now().await;
        listed
    }
}

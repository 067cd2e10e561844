//! The conformance suite: over one store, over one that shares an inbox's thread, and over several that share one file and take
//! turns.

mod alone {
    use onramp_webhooks_sqlite::SqliteIdempotencyStore;
    use onramp_webhooks_testkit::idempotency::Fixture;

    use crate::tools::file;

    async fn open() -> Fixture {
        let (folder, path) = file();
        Fixture::new(SqliteIdempotencyStore::open(path).await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod beside_an_inbox {
    use onramp_webhooks_sqlite::SqliteInbox;
    use onramp_webhooks_testkit::idempotency::Fixture;

    use crate::tools::file;

    async fn open() -> Fixture {
        let (folder, path) = file();
        let inbox = SqliteInbox::open(path).await.unwrap();
        Fixture::new(inbox.idempotency_store()).keeping(inbox).keeping(folder)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod shared {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use onramp_webhooks::StoreError;
    use onramp_webhooks::async_trait;
    use onramp_webhooks::clock::Timestamp;
    use onramp_webhooks::fingerprint::Fingerprint;
    use onramp_webhooks::idempotency::{Claim, Found, IdempotencyStore};
    use onramp_webhooks_sqlite::SqliteIdempotencyStore;
    use onramp_webhooks_testkit::idempotency::Fixture;

    use crate::tools::file;

    async fn open() -> Fixture {
        let (folder, path) = file();
        let store = async || SqliteIdempotencyStore::open(&path).await.unwrap();
        Fixture::new(TakingTurns { stores: [store().await, store().await, store().await], turn: AtomicUsize::new(0) })
            .keeping(folder)
    }

    /// Every call goes to the next store, as if several processes did the work.
    #[derive(Debug)]
    struct TakingTurns {
        stores: [SqliteIdempotencyStore; 3],
        turn: AtomicUsize,
    }

    impl TakingTurns {
        fn next(&self) -> &SqliteIdempotencyStore {
            &self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % self.stores.len()]
        }
    }

    #[async_trait]
    impl IdempotencyStore for TakingTurns {
        async fn claim(
            &self,
            now: Timestamp,
            claim: Claim,
            fingerprint: Fingerprint,
            lease_until: Timestamp,
        ) -> Result<Found, StoreError> {
            self.next().claim(now, claim, fingerprint, lease_until).await
        }

        async fn renew(&self, claim: Claim, lease_until: Timestamp) -> Result<bool, StoreError> {
            self.next().renew(claim, lease_until).await
        }

        async fn complete(&self, claim: Claim, reply: bytes::Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
            self.next().complete(claim, reply, expires_at).await
        }

        async fn release(&self, claim: Claim) -> Result<bool, StoreError> {
            self.next().release(claim).await
        }

        async fn changed(&self) {
            let [a, b, c] = &self.stores;
            tokio::select! {
                () = a.changed() => {}
                () = b.changed() => {}
                () = c.changed() => {}
            }
        }

        async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
            self.next().prune(now).await
        }
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

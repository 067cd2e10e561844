//! The conformance suite: over one store, and over several that share one prefix and take turns.

mod alone {
    use onramp_webhooks_testkit::idempotency::Fixture;

    use crate::prefix::TestPrefix;

    async fn open() -> Fixture {
        let prefix = TestPrefix::new();
        Fixture::new(prefix.open().await).forgetting_by_itself().keeping(prefix)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod shared {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use onramp_webhooks::StoreError;
    use onramp_webhooks::async_trait;
    use onramp_webhooks::clock::Timestamp;
    use onramp_webhooks::fingerprint::Fingerprint;
    use onramp_webhooks::idempotency::{Claim, Found, IdempotencyStore};
    use onramp_webhooks_redis::RedisIdempotencyStore;
    use onramp_webhooks_testkit::idempotency::Fixture;

    use crate::prefix::TestPrefix;

    async fn open() -> Fixture {
        let prefix = TestPrefix::new();
        let stores = [prefix.open().await, prefix.open().await, prefix.open().await];
        Fixture::new(TakingTurns { stores, turn: AtomicUsize::new(0) }).forgetting_by_itself().keeping(prefix)
    }

    /// Every call goes to the next store, as if several machines did the work.
    #[derive(Debug)]
    struct TakingTurns {
        stores: [RedisIdempotencyStore; 3],
        turn: AtomicUsize,
    }

    impl TakingTurns {
        fn next(&self) -> &RedisIdempotencyStore {
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

        async fn complete(&self, claim: Claim, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
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

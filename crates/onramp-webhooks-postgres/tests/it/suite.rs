//! The conformance suites: over one inbox, over several that share one schema and take turns, and over the store of idempotency keys.

mod alone {
    use onramp_webhooks::inbox::QuarantineBound;
    use onramp_webhooks_testkit::inbox::Fixture;

    use crate::tools::TestSchema;

    async fn open(bound: QuarantineBound) -> Fixture {
        let schema = TestSchema::new();
        Fixture::new(schema.open(bound).await).keeping(schema)
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod shared {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use onramp_webhooks::StoreError;
    use onramp_webhooks::async_trait;
    use onramp_webhooks::clock::Timestamp;
    use onramp_webhooks::inbox::{
        ClaimRequest, Claims, Counts, DeliveryId, Filter, Inbox, Lease, NewDelivery, QuarantineBound, Record, Recorded, Replayed,
        Retention, Settlement, State,
    };
    use onramp_webhooks_postgres::PostgresInbox;
    use onramp_webhooks_testkit::inbox::Fixture;

    use crate::tools::TestSchema;

    async fn open(bound: QuarantineBound) -> Fixture {
        let schema = TestSchema::new();
        let inboxes = [schema.open(bound).await, schema.open(bound).await, schema.open(bound).await];
        Fixture::new(TakingTurns { inboxes, turn: AtomicUsize::new(0) }).keeping(schema)
    }

    /// Every call goes to the next inbox, as if several machines did the work.
    #[derive(Debug)]
    struct TakingTurns {
        inboxes: [PostgresInbox; 3],
        turn: AtomicUsize,
    }

    impl TakingTurns {
        fn next(&self) -> &PostgresInbox {
            &self.inboxes[self.turn.fetch_add(1, Ordering::Relaxed) % self.inboxes.len()]
        }
    }

    #[async_trait]
    impl Inbox for TakingTurns {
        async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
            self.next().record(delivery).await
        }

        async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
            self.next().claim(now, request).await
        }

        async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
            self.next().renew(leases, until).await
        }

        async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
            self.next().settle(now, settlements).await
        }

        async fn wait_for_work(&self) {
            let [a, b, c] = &self.inboxes;
            tokio::select! {
                () = a.wait_for_work() => {}
                () = b.wait_for_work() => {}
                () = c.wait_for_work() => {}
            }
        }

        async fn check(&self) -> Result<(), StoreError> {
            self.next().check().await
        }

        async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
            self.next().list(filter).await
        }

        async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
            self.next().show(id).await
        }

        async fn counts(&self) -> Result<Counts, StoreError> {
            self.next().counts().await
        }

        async fn rearm(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
            self.next().rearm(id, seen, reread).await
        }

        async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
            self.next().prune(now, retention).await
        }
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod idempotency {
    use onramp_webhooks_postgres::PostgresOptions;
    use onramp_webhooks_testkit::idempotency::Fixture;

    use crate::tools::{TestSchema, pool};

    async fn open() -> Fixture {
        let schema = TestSchema::new();
        let store = PostgresOptions::new(pool(8).await).schema(schema.name()).open_idempotency_store().await.unwrap();
        Fixture::new(store).keeping(schema)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod started {
    use onramp_webhooks_postgres::PostgresOptions;
    use onramp_webhooks_testkit::started::Fixture;

    use crate::tools::{TestSchema, pool};

    async fn open() -> Fixture {
        let schema = TestSchema::new();
        let store = PostgresOptions::new(pool(8).await).schema(schema.name()).open_purchases().await.unwrap();
        Fixture::new(store).keeping(schema)
    }

    onramp_webhooks_testkit::started_purchases_suite!(open);
}

//! The conformance suites: the spill alone, several that share one file and take turns, and the inbox made of two.

mod alone {
    use onramp_webhooks_sqlite::SqliteSpill;
    use onramp_webhooks_testkit::spill::Fixture;

    use crate::tools::file;

    async fn open() -> Fixture {
        let (folder, path) = file();
        Fixture::new(SqliteSpill::open(path).await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::spill_suite!(open);
}

mod shared {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use onramp_webhooks::StoreError;
    use onramp_webhooks::async_trait;
    use onramp_webhooks::inbox::NewDelivery;
    use onramp_webhooks::inbox::spill::{MovingLock, SetAside, SpillCounts, SpillId, SpillStore};
    use onramp_webhooks_sqlite::SqliteSpill;
    use onramp_webhooks_testkit::spill::Fixture;

    use crate::tools::file;

    async fn open() -> Fixture {
        let (folder, path) = file();
        let spill = async || SqliteSpill::open(&path).await.unwrap();
        Fixture::new(TakingTurns { spills: [spill().await, spill().await, spill().await], turn: AtomicUsize::new(0) })
            .keeping(folder)
    }

    /// Every call goes to the next spill, as if several processes did the work.
    #[derive(Debug)]
    struct TakingTurns {
        spills: [SqliteSpill; 3],
        turn: AtomicUsize,
    }

    impl TakingTurns {
        fn next(&self) -> &SqliteSpill {
            &self.spills[self.turn.fetch_add(1, Ordering::Relaxed) % self.spills.len()]
        }
    }

    #[async_trait]
    impl SpillStore for TakingTurns {
        async fn append(&self, delivery: NewDelivery) -> Result<SpillId, StoreError> {
            self.next().append(delivery).await
        }

        async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
            self.next().oldest(limit, bytes).await
        }

        async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
            self.next().remove(ids).await
        }

        async fn set_aside(&self, id: SpillId, reason: String) -> Result<(), StoreError> {
            self.next().set_aside(id, reason).await
        }

        async fn aside(&self, limit: usize) -> Result<Vec<SetAside>, StoreError> {
            self.next().aside(limit).await
        }

        async fn put_back(&self) -> Result<u64, StoreError> {
            self.next().put_back().await
        }

        async fn counts(&self) -> Result<SpillCounts, StoreError> {
            self.next().counts().await
        }

        async fn check(&self) -> Result<(), StoreError> {
            self.next().check().await
        }

        async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
            self.next().lock().await
        }
    }

    onramp_webhooks_testkit::spill_suite!(open);
}

mod in_front_of_an_inbox {
    use onramp_webhooks::inbox::QuarantineBound;
    use onramp_webhooks::inbox::spill::SpillInbox;
    use onramp_webhooks_sqlite::{SqliteOptions, SqliteSpill};
    use onramp_webhooks_testkit::inbox::Fixture;

    use crate::tools::file;

    async fn open(bound: QuarantineBound) -> Fixture {
        let (folder, path) = file();
        let spill = SqliteSpill::open(folder.path().join("spill.db")).await.unwrap();
        let first = SqliteOptions::new(path).quarantine(bound).open().await.unwrap();
        Fixture::new(SpillInbox::new(first, spill).await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

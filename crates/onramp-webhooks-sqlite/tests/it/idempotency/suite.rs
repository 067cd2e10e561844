//! The conformance suite: over one store, over one that shares an inbox's thread, and over several that share one file and take
//! turns.

use onramp_webhooks_sqlite::{SqliteIdempotencyStore, SqliteInbox};
use onramp_webhooks_testkit::idempotency::Fixture;

use crate::tools::file;

mod alone {
    use super::*;

    async fn open() -> Fixture {
        let (folder, path) = file();
        Fixture::new(SqliteIdempotencyStore::open(path).await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod beside_an_inbox {
    use super::*;

    async fn open() -> Fixture {
        let (folder, path) = file();
        let inbox = SqliteInbox::open(path).await.unwrap();
        Fixture::new(inbox.idempotency_store()).keeping(inbox).keeping(folder)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod shared {
    use super::*;

    async fn open() -> Fixture {
        let (folder, path) = file();
        let store = async || SqliteIdempotencyStore::open(&path).await.unwrap();
        Fixture::taking_turns([store().await, store().await, store().await]).keeping(folder)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

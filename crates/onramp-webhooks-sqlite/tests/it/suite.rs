//! The conformance suite: over one inbox, and over several that share one file and take turns.

use onramp_webhooks::inbox::QuarantineBound;
use onramp_webhooks_sqlite::SqliteOptions;
use onramp_webhooks_testkit::inbox::Fixture;

use crate::tools::file;

mod alone {
    use super::*;

    async fn open(bound: QuarantineBound) -> Fixture {
        let (folder, path) = file();
        Fixture::new(SqliteOptions::new(path).quarantine(bound).open().await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod shared {
    use super::*;

    async fn open(bound: QuarantineBound) -> Fixture {
        let (folder, path) = file();
        let inbox = async || SqliteOptions::new(&path).quarantine(bound).open().await.unwrap();
        Fixture::taking_turns([inbox().await, inbox().await, inbox().await]).keeping(folder)
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

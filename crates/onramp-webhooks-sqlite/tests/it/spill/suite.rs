//! The conformance suites: over one spill, over several that share one file and take turns, and over an inbox with a spill.

use onramp_webhooks_sqlite::SqliteSpill;
use onramp_webhooks_testkit::{inbox, spill};

use crate::tools::file;

mod alone {
    use super::*;

    async fn open() -> spill::Fixture {
        let (folder, path) = file();
        spill::Fixture::new(SqliteSpill::open(path).await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::spill_suite!(open);
}

mod shared {
    use super::*;

    async fn open() -> spill::Fixture {
        let (folder, path) = file();
        let spill = async || SqliteSpill::open(&path).await.unwrap();
        spill::Fixture::taking_turns([spill().await, spill().await, spill().await]).keeping(folder)
    }

    onramp_webhooks_testkit::spill_suite!(open);
}

mod in_front_of_an_inbox {
    use onramp_webhooks::inbox::QuarantineBound;
    use onramp_webhooks::spill::SpillInbox;
    use onramp_webhooks_sqlite::SqliteOptions;

    use super::*;

    async fn open(bound: QuarantineBound) -> inbox::Fixture {
        let (folder, path) = file();
        let spill = SqliteSpill::open(folder.path().join("spill.db")).await.unwrap();
        let primary = SqliteOptions::new(path).quarantine(bound).open().await.unwrap();
        inbox::Fixture::new(SpillInbox::new(primary, spill).await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

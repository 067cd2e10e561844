//! Any sequence of calls has the same results in SQLite as in memory.

use onramp_webhooks_sqlite::SqliteOptions;
use onramp_webhooks_suite::same_as_memory::chosen_inbox;
use onramp_webhooks_testkit::inbox::Fixture;

use crate::runtime::block_on;

pub(crate) use crate::inbox::seeds;

/// Each byte is a choice.
pub(crate) fn run(input: &[u8]) {
    block_on(chosen_inbox(input, true, async |bound| {
        // A file in memory, where the system has one, costs no sync.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let inbox = SqliteOptions::new(folder.path().join("inbox.db")).quarantine(bound).open().await.unwrap();
        Fixture::new(inbox).keeping(folder)
    }));
}

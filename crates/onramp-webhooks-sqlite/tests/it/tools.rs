//! Files, events, and child processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use onramp_webhooks::Provider;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, Stage};
use onramp_webhooks::inbox::{Inbox, NewDelivery, Recorded};
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_testkit::events::WertOrder;
use rusqlite::Connection;
use tempfile::TempDir;

/// Tells a copy of this test binary which file to work on; a test that finds it is the child.
const CHILD: &str = "ONRAMP_TEST_CHILD";

/// A new folder with the path of a file in it that is not there yet.
pub(crate) fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    (folder, path)
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// A purchase that was never seen before.
pub(crate) fn purchase() -> NewDelivery {
    let order = WertOrder::new();
    let mut new = NewDelivery::new("wert", Provider::Wert, now(), order.complete());
    new.event_type = Some("order_complete".into());
    new.key = Some(DedupKey::from_parts(format!("wert/order/{}", order.id().unwrap()), "order_complete".into()));
    new.stage = Some(Stage::FINAL);
    new
}

pub(crate) async fn record(inbox: &SqliteInbox, new: NewDelivery) -> i64 {
    match inbox.record(new).await.unwrap() {
        Recorded::New(id) => id.as_i64(),
        recorded => panic!("should be new: {recorded:?}"),
    }
}

/// How many deliveries another connection sees.
pub(crate) fn seen_by_others(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM onramp_deliveries", [], |row| row.get(0)).unwrap()
}

/// The file that this process was started for, when it is a child.
pub(crate) fn child_file() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// This very test in a process of its own, which finds [`child_file`]. A child that failed and went on as if it were the parent
/// would start children without end.
pub(crate) fn child(test: &str, path: &Path) -> Command {
    assert!(child_file().is_none(), "a child starts no children");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, path);
    command
}

pub(crate) fn must_succeed(mut child: Child) {
    let status = child.wait().unwrap();
    assert!(status.success(), "the child failed: {status}");
}

//! Files and child processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks_sqlite::SqliteInbox;
pub(crate) use onramp_webhooks_suite::deliveries::{claim, handled, indexed_filters_look_at_few, now, purchase, record};
use rusqlite::Connection;
use tempfile::TempDir;

/// The variable that gives a child process of a test its file.
const CHILD: &str = "ONRAMP_TEST_CHILD";

/// Returns a new folder and the path of a file in it that does not exist yet.
pub(crate) fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    (folder, path)
}

/// Opens an inbox in a new file, and returns their folder and path, too.
pub(crate) async fn new_inbox() -> (TempDir, PathBuf, SqliteInbox) {
    let (folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    (folder, path, inbox)
}

/// Returns a purchase with a body of so many bytes.
pub(crate) fn large(bytes: usize) -> NewDelivery {
    let mut new = purchase();
    new.body = vec![b'x'; bytes].into();
    new
}

/// Counts the deliveries that another connection sees.
pub(crate) fn seen_by_others(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM onramp_deliveries", [], |row| row.get(0)).unwrap()
}

/// Returns the file for which this process was started, when it is a child.
pub(crate) fn child_file() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Returns the command that runs the same test in a child process, which finds [`child_file`]. Panics in a child: one that went on as
/// the parent would start children without end.
pub(crate) fn child(test: &str, path: &Path) -> Command {
    assert!(child_file().is_none(), "a child starts no children");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, path);
    command
}

/// Kills a child after it has printed some lines that begin with `word`, and returns the rest of all of these lines. Those that were
/// printed before the kill count, too.
pub(crate) fn kill_after(lines: usize, word: &str, mut child: Command) -> Vec<String> {
    let mut process = child.stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told = printed.filter_map(|line| Some(line.split_once(word)?.1.to_owned()));
    let before: Vec<_> = told.by_ref().take(lines).collect();
    process.kill().unwrap();
    process.wait().unwrap();
    before.into_iter().chain(told).collect()
}

pub(crate) fn must_succeed(mut child: Child) {
    let status = child.wait().unwrap();
    assert!(status.success(), "the child failed: {status}");
}

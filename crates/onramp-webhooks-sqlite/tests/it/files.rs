//! Files that are moved, deleted or replaced while they are open, and files after a shutdown.

use std::fs::{copy, metadata, remove_file, rename, write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Filter, Inbox};
use onramp_webhooks::spill::SpillStore;
use onramp_webhooks_sqlite::{SqliteInbox, SqliteOptions, SqliteSpill};
use rusqlite::Connection;

use crate::tools::{child, child_file, file, must_succeed, purchase, record, seen_by_others};

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

/// Counts the deliveries in a copy of the database file alone.
fn in_a_copy(path: &Path) -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("copy.db");
    copy(path, &alone).unwrap();
    // In a copy without a complete log, the table may be missing.
    let copied = Connection::open(&alone).unwrap();
    copied.query_row("SELECT count(*) FROM onramp_deliveries", [], |row| row.get(0)).unwrap_or(-1)
}

/// Waits until a copy of the database file alone has a number of deliveries.
async fn copy_has(path: &Path, deliveries: i64) {
    for _ in 0..2_000 {
        if in_a_copy(path) == deliveries {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a copy has {} deliveries", in_a_copy(path));
}

async fn assert_refused(inbox: &SqliteInbox, lost: &Path) {
    let errors = [
        inbox.record(purchase()).await.unwrap_err(),
        inbox.check().await.unwrap_err(),
        inbox.list(Filter::all()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        let text = error.to_string();
        assert!(text.contains(&lost.display().to_string()) && text.contains("put it back, or stop all processes"), "{text}");
    }
}

#[tokio::test]
async fn a_lost_log_is_saved_and_nothing_more_is_acknowledged() {
    for lost in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let (_folder, path) = file();
        let inbox = SqliteInbox::open(&path).await.unwrap();
        for _ in 0..3 {
            record(&inbox, purchase()).await;
        }
        lost.iter().for_each(|suffix| remove_file(beside(&path, suffix)).unwrap());
        assert!(in_a_copy(&path) < 3, "the log is needed");
        assert_refused(&inbox, &beside(&path, lost[0])).await;
        assert_eq!(in_a_copy(&path), 3, "{lost:?}");
        assert_refused(&inbox, &beside(&path, lost[0])).await;
        // As after a crash: the process does not close the file.
        let copied = path.with_file_name("copied.db");
        copy(&path, &copied).unwrap();
        let again = SqliteInbox::open(&copied).await.unwrap();
        record(&again, purchase()).await;
        assert_eq!(seen_by_others(&copied), 4);
    }
}

#[tokio::test]
async fn a_lost_log_is_saved_without_any_call() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    remove_file(beside(&path, "-wal")).unwrap();
    copy_has(&path, 1).await;
    drop(inbox);
}

#[tokio::test]
async fn a_spill_saves_its_lost_log() {
    let (_folder, path) = file();
    let spill = SqliteSpill::open(&path).await.unwrap();
    spill.append(purchase()).await.unwrap();
    remove_file(beside(&path, "-wal")).unwrap();
    assert_eq!(spill.append(purchase()).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    spill.close().await.unwrap_err();
    assert_eq!(SqliteSpill::open(&path).await.unwrap().counts().await.unwrap().waiting, 1);
}

/// The checks before the commit pass, and only the one before the answer can notice.
#[tokio::test]
async fn a_log_that_is_lost_during_a_commit_is_noticed_before_the_answer() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let log = beside(&path, "-wal");
    let removing = inbox.call(move |connection| {
        remove_file(log).unwrap();
        connection.execute_batch("CREATE TABLE points (customer TEXT)")
    });
    assert!(removing.await.unwrap_err().to_string().contains("put it back, or stop all processes"));
}

/// While the file is locked, the recording waits after its first check.
#[tokio::test]
async fn a_log_that_is_lost_during_a_batch_is_noticed_before_the_answer() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let recording = tokio::spawn(async move { inbox.record(purchase()).await });
    tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>()).await.unwrap_err();
    remove_file(beside(&path, "-wal")).unwrap();
    other.execute_batch("COMMIT").unwrap();
    assert!(recording.await.unwrap().unwrap_err().to_string().contains("put it back, or stop all processes"));
}

#[tokio::test]
async fn a_log_that_was_moved_is_used_again_when_it_is_back() {
    let (folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    let (log, elsewhere) = (beside(&path, "-wal"), folder.path().join("elsewhere"));
    for number in 1..=3 {
        rename(&log, &elsewhere).unwrap();
        assert_refused(&inbox, &log).await;
        rename(&elsewhere, &log).unwrap();
        inbox.check().await.unwrap();
        record(&inbox, purchase()).await;
        assert_eq!(seen_by_others(&path), number + 1);
    }
}

/// Another process that opens the path without the log begins one of its own. The index, which both share, then describes that one.
#[tokio::test]
async fn a_log_of_another_process_is_never_mixed_with_the_lost_one() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    remove_file(beside(&path, "-wal")).unwrap();
    assert_refused(&inbox, &beside(&path, "-wal")).await;
    let other = SqliteInbox::open(&path).await.unwrap();
    for _ in 0..10 {
        record(&other, purchase()).await;
    }
    assert_refused(&inbox, &beside(&path, "-wal")).await;
    inbox.close().await.unwrap_err();
    record(&other, purchase()).await;
    let integrity = other.call(|connection| connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)));
    assert_eq!(integrity.await.unwrap(), "ok");
    other.close().await.unwrap();
    assert_eq!(in_a_copy(&path), 12);
}

#[tokio::test]
async fn a_foreign_file_in_place_of_the_log_is_left_alone() {
    let (folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    let log = beside(&path, "-wal");
    let elsewhere = folder.path().join("elsewhere");
    rename(&log, &elsewhere).unwrap();
    write(&log, "another log").unwrap();
    assert_refused(&inbox, &log).await;
    inbox.close().await.unwrap_err();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "another log");
    rename(&elsewhere, &log).unwrap();
    assert_eq!(seen_by_others(&path), 1, "with its log, the file is complete");
}

#[tokio::test]
async fn a_file_that_was_moved_without_its_log_is_complete() {
    let (folder, path) = file();
    let elsewhere = folder.path().join("elsewhere.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    rename(&path, &elsewhere).unwrap();
    inbox.record(purchase()).await.unwrap_err();
    assert_eq!(in_a_copy(&elsewhere), 1);
}

fn checkpoint(path: &Path) {
    Connection::open(path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

#[tokio::test]
async fn a_file_that_was_restored_over_acknowledges_nothing() {
    let (folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    inbox.close().await.unwrap();
    let backup = folder.path().join("backup.db");
    copy(&path, &backup).unwrap();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    checkpoint(&path);
    record(&inbox, purchase()).await;
    let (database, log) = (metadata(&path).unwrap(), beside(&path, "-wal"));
    copy(&backup, &path).unwrap();
    assert_eq!(database.len(), metadata(&path).unwrap().len(), "neither the size nor the file has changed");
    for _ in 0..2 {
        let errors = [
            inbox.record(purchase()).await.unwrap_err(),
            inbox.check().await.unwrap_err(),
            inbox.list(Filter::all()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(error.to_string().contains("was overwritten while it was open; stop all processes"), "{error}");
        }
    }
    inbox.close().await.unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&backup).unwrap(), "the backup is as it was");
    assert!(log.exists());
}

#[tokio::test]
async fn a_file_with_another_content_acknowledges_nothing() {
    for content in ["", "not a database ".repeat(1_000).as_str()] {
        let (_folder, path) = file();
        SqliteInbox::open(&path).await.unwrap().close().await.unwrap();
        let inbox = SqliteInbox::open(&path).await.unwrap();
        record(&inbox, purchase()).await;
        write(&path, content).unwrap();
        assert!(inbox.record(purchase()).await.unwrap_err().to_string().contains("was overwritten"));
        inbox.close().await.unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn checkpoints_of_other_processes_are_no_reason_to_stop() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let other = SqliteInbox::open(&path).await.unwrap();
    for number in 1..=10 {
        record(&inbox, purchase()).await;
        record(&other, purchase()).await;
        checkpoint(&path);
        assert_eq!(seen_by_others(&path), 2 * number);
    }
}

/// The child closes the file while this process uses it. Only the last process may delete the log.
#[test]
fn a_process_that_ends_leaves_the_log_to_others() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if let Some(path) = child_file() {
            let inbox = SqliteInbox::open(&path).await.unwrap();
            record(&inbox, purchase()).await;
            inbox.close().await.unwrap();
            return;
        }
        let (_folder, path) = file();
        let inbox = SqliteInbox::open(&path).await.unwrap();
        for _ in 0..2 {
            record(&inbox, purchase()).await;
            checkpoint(&path);
            record(&inbox, purchase()).await;
            must_succeed(child("files::a_process_that_ends_leaves_the_log_to_others", &path).spawn().unwrap());
        }
        record(&inbox, purchase()).await;
        inbox.close().await.unwrap();
        assert_eq!(in_a_copy(&path), 7);
    });
}

#[tokio::test]
async fn a_closed_file_is_complete_without_its_log() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    for _ in 0..3 {
        record(&inbox, purchase()).await;
    }
    assert_eq!(inbox.list(Filter::all()).await.unwrap().records.len(), 3);
    let clone = inbox.clone();
    inbox.close().await.unwrap();
    assert_eq!(in_a_copy(&path), 3);
    assert!(!beside(&path, "-wal").exists() && !beside(&path, "-shm").exists());
    for inbox in [&inbox, &clone] {
        assert_eq!(inbox.record(purchase()).await.unwrap_err().kind(), StoreErrorKind::Closed);
        assert_eq!(inbox.list(Filter::all()).await.unwrap_err().kind(), StoreErrorKind::Closed);
        inbox.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_inbox_leaves_a_complete_file() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    let (keys, purchases) = (inbox.idempotency_store(), inbox.purchases());
    drop(inbox);
    drop((keys, purchases));
    assert_eq!(in_a_copy(&path), 1);
    assert!(!beside(&path, "-wal").exists());
}

/// Without its log, the connection that failed is the only one that leads to what was acknowledged.
#[tokio::test]
async fn a_failure_after_the_loss_of_a_log_loses_nothing() {
    let (_folder, path) = file();
    let inbox = SqliteOptions::new(&path).largest_file(200_000).open().await.unwrap();
    record(&inbox, purchase()).await;
    let other = Connection::open(&path).unwrap();
    let seen: i64 = other.query_row("SELECT count(*) FROM onramp_deliveries", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 1, "the other connection keeps SQLite from copying the log when the failed one is closed");
    // While the file is locked, the call waits after its first check.
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (clone, mut big) = (inbox.clone(), purchase());
    big.body = vec![b'x'; 300_000].into();
    let failing = tokio::spawn(async move { clone.record(big).await });
    tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>()).await.unwrap_err();
    remove_file(beside(&path, "-wal")).unwrap();
    other.execute_batch("COMMIT").unwrap();
    failing.await.unwrap().unwrap_err();
    assert_refused(&inbox, &beside(&path, "-wal")).await;
    assert_eq!(in_a_copy(&path), 1);
    drop(other);
}

/// After a failure, the connection is closed until the next call.
#[tokio::test]
async fn a_failed_file_is_complete_after_a_shutdown() {
    let (_folder, path) = file();
    let inbox = SqliteOptions::new(&path).largest_file(200_000).open().await.unwrap();
    record(&inbox, purchase()).await;
    let other = Connection::open(&path).unwrap();
    let seen: i64 = other.query_row("SELECT count(*) FROM onramp_deliveries", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 1, "the other connection keeps the log");
    let mut big = purchase();
    big.body = vec![b'x'; 300_000].into();
    assert_eq!(inbox.record(big).await.unwrap_err().kind(), StoreErrorKind::Full);
    inbox.close().await.unwrap();
    assert_eq!(in_a_copy(&path), 1);
}

#[tokio::test]
async fn queued_calls_are_finished_before_the_file_is_closed() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let recording: Vec<_> = (0..20)
        .map(|_| {
            let inbox = inbox.clone();
            tokio::spawn(async move { inbox.record(purchase()).await })
        })
        .collect();
    // On one thread, all of them are queued before this call.
    tokio::task::yield_now().await;
    inbox.close().await.unwrap();
    for recorded in recording {
        recorded.await.unwrap().unwrap();
    }
    assert_eq!(in_a_copy(&path), 20);
}

#[tokio::test]
async fn a_file_that_another_process_reads_is_closed_with_an_error() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM onramp_deliveries").unwrap();
    record(&inbox, purchase()).await;
    let error = inbox.close().await.unwrap_err();
    assert!(error.to_string().contains("another process uses the log"), "{error}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(seen_by_others(&path), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_the_owners_alone() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let (_folder, path) = file();
    let all = [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")];
    let modes = || all.clone().map(|file| metadata(file).unwrap().permissions().mode() & 0o777);
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    assert_eq!(modes(), [0o600; 3]);
    for file in &all {
        set_permissions(file, Permissions::from_mode(0o664)).unwrap();
    }
    let again = SqliteInbox::open(&path).await.unwrap();
    assert_eq!(modes(), [0o600; 3]);
    drop((inbox, again));
    set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let _inbox = SqliteInbox::open(&path).await.unwrap();
    assert_eq!(modes(), [0o600; 3]);
}

#[tokio::test]
async fn deleted_values_are_overwritten() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let secret = "ada.lovelace@example.org";
    let insert = format!("CREATE TABLE people (address TEXT); INSERT INTO people VALUES ('{secret}')");
    inbox.call(move |connection| connection.execute_batch(&insert)).await.unwrap();
    let held = |path: &Path| std::fs::read(path).unwrap().windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
    inbox.close().await.unwrap();
    assert!(held(&path));
    let inbox = SqliteInbox::open(&path).await.unwrap();
    inbox.call(|connection| connection.execute_batch("DELETE FROM people")).await.unwrap();
    inbox.close().await.unwrap();
    assert!(!held(&path));
}

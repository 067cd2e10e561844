//! Locked, full, read-only, broken and vanished files: nothing is acknowledged, and the inbox recovers by itself.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onramp_webhooks::inbox::{ClaimRequest, Inbox, Recorded, State, TransactionalInbox};
use onramp_webhooks::{StoreError, StoreErrorKind};
use onramp_webhooks_sqlite::{SqliteInbox, SqliteOptions};
use rusqlite::Connection;

use crate::tools::{claim, file, large, new_inbox, now, purchase, record, seen_by_others};

async fn kind(inbox: &SqliteInbox) -> StoreErrorKind {
    inbox.record(purchase()).await.unwrap_err().kind()
}

async fn open_error(path: &Path) -> StoreError {
    SqliteOptions::new(path).busy_timeout(Duration::from_millis(50)).open().await.unwrap_err()
}

#[tokio::test]
async fn a_locked_file_fails_within_the_busy_timeout_and_works_when_it_is_free() {
    let (_folder, path) = file();
    let inbox = SqliteOptions::new(&path).busy_timeout(Duration::from_millis(200)).open().await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    assert_eq!(kind(&inbox).await, StoreErrorKind::Unavailable);
    assert!(begun.elapsed() >= Duration::from_millis(190) && begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(inbox.check().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let claim = inbox.claim(now(), ClaimRequest::new(1, Duration::from_secs(30))).await;
    assert_eq!(claim.unwrap_err().kind(), StoreErrorKind::Unavailable);
    other.execute_batch("ROLLBACK").unwrap();
    record(&inbox, purchase()).await;
    inbox.check().await.unwrap();
    assert_eq!(seen_by_others(&path), 1);
}

#[tokio::test]
async fn a_file_that_is_locked_for_a_moment_is_waited_for() {
    let (_folder, path, inbox) = new_inbox().await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let recording = tokio::spawn(async move { inbox.record(purchase()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!recording.is_finished());
    other.execute_batch("COMMIT").unwrap();
    assert!(matches!(recording.await.unwrap(), Ok(Recorded::New(_))));
}

#[tokio::test]
async fn a_new_file_that_is_locked_for_a_moment_is_waited_for() {
    let (_folder, path) = file();
    let other = Connection::open(&path).unwrap();
    // Not yet in write-ahead logging, where SQLite answers at once that the file is busy.
    other.execute_batch("CREATE TABLE shop (x); BEGIN IMMEDIATE").unwrap();
    let opening = tokio::spawn(SqliteInbox::open(path.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!opening.is_finished());
    other.execute_batch("COMMIT").unwrap();
    record(&opening.await.unwrap().unwrap(), purchase()).await;

    let (_folder, path) = file();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE shop (x); BEGIN IMMEDIATE").unwrap();
    assert_eq!(open_error(&path).await.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_full_file_takes_nothing_more_and_works_when_there_is_room() {
    let (_folder, path) = file();
    let inbox = SqliteOptions::new(&path).largest_file(200_000).open().await.unwrap();
    let mut kept = 0;
    while inbox.record(large(20_000)).await.is_ok() {
        kept += 1;
        assert!(kept < 20, "the limit does not limit");
    }
    assert!(kept >= 3, "the limit is too tight: {kept}");
    assert_eq!(inbox.record(large(20_000)).await.unwrap_err().kind(), StoreErrorKind::Full);
    assert_eq!(seen_by_others(&path), kept);
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), u64::try_from(kept).unwrap());
    assert!(std::fs::metadata(&path).unwrap().len() <= 200_000);
    assert_eq!(claim(&inbox, 100).await.len() as i64, kept, "what is there can still be handled");
    drop(inbox);

    let inbox = SqliteOptions::new(&path).largest_file(400_000).open().await.unwrap();
    record(&inbox, large(20_000)).await;
    assert_eq!(seen_by_others(&path), kept + 1);
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let (_folder, path) = file();
    let text = "This is not a database, but it is long enough to look like one to a careless eye. ".repeat(20);
    std::fs::write(&path, &text).unwrap();
    assert_eq!(open_error(&path).await.kind(), StoreErrorKind::Unusable);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_missing_folder_is_an_error_that_names_it() {
    let (folder, _) = file();
    let error = open_error(&folder.path().join("missing/inbox.db")).await;
    assert!(error.to_string().contains("missing"), "{error}");
    let error = open_error(folder.path()).await;
    assert!(error.to_string().contains("open the database"), "{error}");
}

/// Every call fails, with a hint for the operator, and no file is made.
async fn assert_fails_closed(inbox: &SqliteInbox) {
    let filter = onramp_webhooks::inbox::Filter::all();
    let errors = [
        inbox.record(purchase()).await.unwrap_err(),
        inbox.check().await.unwrap_err(),
        inbox.claim(now(), ClaimRequest::new(1, Duration::from_secs(30))).await.unwrap_err(),
        inbox.counts().await.unwrap_err(),
        inbox.list(filter).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        let text = error.to_string();
        assert!(text.contains("was moved or replaced") && text.contains("put it back or restart the process"), "{text}");
        assert!(text.contains("inbox.db"), "{text}");
    }
}

#[tokio::test]
async fn a_file_that_was_deleted_acknowledges_nothing_and_is_not_made_anew() {
    let (_folder, path, inbox) = new_inbox().await;
    record(&inbox, purchase()).await;
    std::fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        assert_fails_closed(&inbox).await;
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn a_file_that_was_deleted_after_a_failure_is_not_made_anew() {
    let (_folder, path) = file();
    let inbox = SqliteOptions::new(&path).largest_file(200_000).open().await.unwrap();
    assert_eq!(inbox.record(large(300_000)).await.unwrap_err().kind(), StoreErrorKind::Full, "closes the connection");
    std::fs::remove_file(&path).unwrap();
    assert_fails_closed(&inbox).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_was_moved_acknowledges_nothing_until_it_is_back() {
    let (folder, path) = file();
    let elsewhere = folder.path().join("elsewhere.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    for number in 1..=3 {
        std::fs::rename(&path, &elsewhere).unwrap();
        assert_fails_closed(&inbox).await;
        assert!(!path.exists());
        std::fs::rename(&elsewhere, &path).unwrap();
        inbox.check().await.unwrap();
        assert_eq!(inbox.counts().await.unwrap().of(State::Pending), number, "nothing was recorded meanwhile");
        record(&inbox, purchase()).await;
        assert_eq!(seen_by_others(&path), i64::try_from(number).unwrap() + 1);
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_written_to() {
    let (folder, path) = file();
    let backup = folder.path().join("backup.db");
    record(&SqliteInbox::open(&backup).await.unwrap(), purchase()).await;
    Connection::open(&backup).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let before = std::fs::read(&backup).unwrap();

    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    let elsewhere = folder.path().join("elsewhere.db");
    std::fs::rename(&path, &elsewhere).unwrap();
    std::fs::copy(&backup, &path).unwrap();
    assert_fails_closed(&inbox).await;
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::rename(&elsewhere, &path).unwrap();
    record(&inbox, purchase()).await;
    assert_eq!(seen_by_others(&path), 2);
}

/// The check before a commit passes, and the one before the answer does not.
#[tokio::test]
async fn a_file_that_is_moved_in_a_transaction_completes_nothing() {
    let (folder, path, inbox) = new_inbox().await;
    record(&inbox, purchase()).await;
    let lease = claim(&inbox, 1).await[0].lease;
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    open.call(|connection| connection.execute_batch("CREATE TABLE shop (x)")).await.unwrap();
    std::fs::rename(&path, folder.path().join("elsewhere.db")).unwrap();
    let error = inbox.complete(open, now(), lease).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("put it back"), "{error}");
    let moved = path.clone();
    let call = inbox.call(move |_| Ok(moved.exists())).await;
    assert!(call.unwrap_err().to_string().contains("put it back"));
}

/// The only check that can notice is the one after the commit.
#[tokio::test]
async fn a_file_that_is_moved_during_a_call_is_noticed_before_the_answer() {
    let (folder, path, inbox) = new_inbox().await;
    let (from, to) = (path.clone(), folder.path().join("elsewhere.db"));
    let moving = inbox.call(move |_| {
        std::fs::rename(from, to).unwrap();
        Ok(())
    });
    assert!(moving.await.unwrap_err().to_string().contains("put it back"));
}

#[tokio::test]
async fn one_bad_call_does_not_fail_those_beside_it() {
    let (_folder, path) = file();
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON onramp_deliveries WHEN NEW.event_type = 'poison'
             BEGIN SELECT RAISE(ABORT, 'an application''s own rule'); END",
        )
        .unwrap();
    // While the file is locked the calls gather, and then they are one transaction.
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut recording = Vec::new();
    for number in 0..20 {
        let mut new = purchase();
        if number % 7 == 3 {
            new.event_type = Some("poison".into());
        }
        let inbox = Arc::clone(&inbox);
        recording.push(tokio::spawn(async move { inbox.record(new).await }));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    other.execute_batch("COMMIT").unwrap();
    let mut results = Vec::new();
    for task in recording {
        results.push(task.await.unwrap().is_ok());
    }
    assert_eq!(results, (0..20).map(|number| number % 7 != 3).collect::<Vec<_>>());
    assert_eq!(seen_by_others(&path), 17);
    record(&inbox, purchase()).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_does_not_disturb_the_next() {
    let (_folder, _, inbox) = new_inbox().await;
    for _ in 0..20 {
        let given_up = tokio::time::timeout(Duration::ZERO, inbox.record(purchase())).await;
        assert!(given_up.is_err() || given_up.unwrap().is_ok());
    }
    record(&inbox, purchase()).await;
    inbox.check().await.unwrap();
}

#[cfg(unix)]
mod read_only {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    use super::*;
    use crate::tools::{child, child_file};

    /// The user of a child process: permissions do not apply to root, so as root a child without its rights is started.
    const NOBODY: u32 = 65_534;

    fn mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn without_privileges(test: &str, run: impl AsyncFnOnce(&Path)) {
        let (folder, path) = file();
        let path = child_file().unwrap_or(path);
        std::fs::write(&path, "").unwrap();
        mode(&path, 0o444);
        if std::fs::OpenOptions::new().append(true).open(&path).is_err() {
            std::fs::remove_file(&path).unwrap();
            return tokio::runtime::Runtime::new().unwrap().block_on(run(&path));
        }
        assert!(child_file().is_none(), "the child may write what is read-only");
        std::fs::remove_file(&path).unwrap();
        mode(folder.path(), 0o777);
        let mut command = child(test, &path);
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let status = command.uid(NOBODY).gid(NOBODY).current_dir("/").status().unwrap();
        assert!(status.success() && path.exists(), "the child did nothing, or failed: {status}");
    }

    #[test]
    fn a_read_only_file_is_refused_and_opened_when_it_is_writable() {
        without_privileges("faults::read_only::a_read_only_file_is_refused_and_opened_when_it_is_writable", async |path| {
            record(&SqliteInbox::open(path).await.unwrap(), purchase()).await;
            Connection::open(path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            mode(path, 0o444);
            let error = open_error(path).await;
            assert_eq!(error.kind(), StoreErrorKind::ReadOnly, "{error}");
            mode(path, 0o644);
            record(&SqliteInbox::open(path).await.unwrap(), purchase()).await;
            assert_eq!(seen_by_others(path), 2);
        });
    }

    #[test]
    fn a_file_that_becomes_read_only_acknowledges_nothing_until_it_is_writable() {
        without_privileges(
            "faults::read_only::a_file_that_becomes_read_only_acknowledges_nothing_until_it_is_writable",
            async |path| {
                let options = SqliteOptions::new(path).busy_timeout(Duration::from_millis(50)).largest_file(200_000);
                let inbox = options.open().await.unwrap();
                record(&inbox, purchase()).await;
                // After this failure the file is opened again.
                assert_eq!(inbox.record(large(300_000)).await.unwrap_err().kind(), StoreErrorKind::Full);
                mode(path, 0o444);
                assert_eq!(kind(&inbox).await, StoreErrorKind::ReadOnly);
                assert_eq!(inbox.check().await.unwrap_err().kind(), StoreErrorKind::ReadOnly);
                mode(path, 0o644);
                record(&inbox, purchase()).await;
                inbox.check().await.unwrap();
                assert_eq!(seen_by_others(path), 2);
            },
        );
    }
}

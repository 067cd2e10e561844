//! Faults that only a file has.

use std::path::Path;
use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Filter, Inbox};
use onramp_webhooks::spill::{SpillId, SpillInbox, SpillStore};
use onramp_webhooks_sqlite::{SqliteInbox, SqliteOptions, SqliteSpill};
use onramp_webhooks_suite::wait::until;
use rusqlite::Connection;

use crate::tools::{child, child_file, claim, file, large, new_inbox, purchase, record};

async fn refused(path: &Path) -> String {
    let error = SqliteSpill::open(path).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable, "{error}");
    error.to_string()
}

#[tokio::test]
async fn an_inbox_is_no_spill_and_a_spill_is_no_inbox() {
    let (folder, path, inbox) = new_inbox().await;
    record(&inbox, purchase()).await;
    assert!(refused(&path).await.contains("a file of its own"));
    record(&inbox, purchase()).await;

    let path = folder.path().join("spill.db");
    let spill = SqliteSpill::open(&path).await.unwrap();
    spill.append(purchase()).await.unwrap();
    let error = SqliteInbox::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable);
    assert!(error.to_string().contains("is a spill"), "{error}");
    assert_eq!(spill.counts().await.unwrap().waiting, 1);
}

#[tokio::test]
async fn another_database_is_no_spill() {
    let (_folder, path) = file();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE points (customer TEXT)").unwrap();
    assert!(refused(&path).await.contains("something else"));
}

/// A later version recorded it, before its update was reverted.
#[tokio::test]
async fn a_delivery_of_a_later_provider_moves_with_the_others() {
    let (folder, path) = file();
    let spill = SqliteSpill::open(&path).await.unwrap();
    let mut later = purchase();
    (later.endpoint, later.provider) = ("later".into(), "later".into());
    for new in [later, purchase()] {
        spill.append(new).await.unwrap();
    }
    let primary = SqliteInbox::open(&folder.path().join("primary.db")).await.unwrap();
    let inbox = SpillInbox::new(primary, spill.clone()).await.unwrap();
    until("both have moved", async || spill.counts().await.unwrap().waiting == 0).await;
    let claimed = claim(&inbox, 10).await;
    let providers: Vec<_> = claimed.iter().map(|claimed| claimed.provider.as_str()).collect();
    assert_eq!(providers, ["later", "wert"]);
    assert_eq!(inbox.list(Filter::all()).await.unwrap().records.len(), 2);
}

#[tokio::test]
async fn a_full_spill_says_so_and_gives_back_what_it_has() {
    let (_folder, path) = file();
    let spill = SqliteOptions::new(&path).largest_file(200_000).open_spill().await.unwrap();
    let mut kept = 0;
    let error = loop {
        match spill.append(large(20_000)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 20, "the limit does not limit");
    };
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert!(kept >= 3);
    let ids: Vec<SpillId> = spill.oldest(100, usize::MAX).await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), kept);
    spill.remove(ids).await.unwrap();
    spill.append(large(20_000)).await.unwrap();
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let (_folder, path) = file();
    let spill = SqliteSpill::open(&path).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(spill.append(purchase()).await.unwrap());
    }
    spill.remove(vec![ids[2]]).await.unwrap();
    let before = spill.counts().await.unwrap();
    let lock = spill.lock().await.unwrap();
    drop((spill, lock));
    let spill = SqliteSpill::open(&path).await.unwrap();
    assert_eq!(spill.counts().await.unwrap(), before);
    assert!(spill.append(purchase()).await.unwrap() > ids[2], "an id is never used again");
    assert!(spill.lock().await.unwrap().is_some());
}

#[tokio::test]
async fn another_process_that_holds_the_file_is_waited_for_and_then_an_error() {
    let (_folder, path) = file();
    let spill = SqliteOptions::new(&path).busy_timeout(Duration::from_millis(100)).open_spill().await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(spill.append(purchase()).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    other.execute_batch("ROLLBACK").unwrap();
    spill.append(purchase()).await.unwrap();
}

/// The child takes the lock and dies without any goodbye.
#[test]
fn the_lock_ends_with_its_process() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        runtime.block_on(async {
            let lock = SqliteSpill::open(&path).await.unwrap().lock().await.unwrap();
            if lock.is_some() {
                std::process::abort();
            }
        });
        return;
    }
    let (_folder, path) = file();
    runtime.block_on(async {
        let spill = SqliteSpill::open(&path).await.unwrap();
        let lock = spill.lock().await.unwrap();
        let run = || child("spill::file::the_lock_ends_with_its_process", &path).status().unwrap();
        assert!(run().success(), "the child must not get the lock");
        drop(lock);
        assert!(!run().success(), "the child gets the lock, and aborts");
        assert!(spill.lock().await.unwrap().is_some());
    });
}

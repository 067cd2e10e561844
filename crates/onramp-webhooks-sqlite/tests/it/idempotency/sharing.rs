//! Several users of one file.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyState};
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks_sqlite::{SqliteIdempotencyStore, SqliteInbox, SqliteOptions};
use rusqlite::Connection;

use super::tools::{ask, begin, claim, done, end, fingerprint, later, seen_by_others};
use crate::tools::{child, child_file, file, must_succeed, new_inbox, now, purchase, record};

/// Each child asks for the same keys, and writes down which of them it claimed.
#[test]
fn of_several_processes_one_claims() {
    const KEYS: i64 = 100;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        return runtime.block_on(async {
            let store = SqliteIdempotencyStore::open(&path).await.unwrap();
            let writes_down = Connection::open(&path).unwrap();
            for number in 0..KEYS {
                let claim = claim(&format!("{number}"), std::process::id().into());
                if ask(&store, claim).await.unwrap() == KeyState::Claimed {
                    writes_down.execute("INSERT INTO claimed VALUES (?)", [number]).unwrap();
                    assert!(end(&store, claim, "created").await);
                }
            }
        });
    }
    let (_folder, path) = file();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE claimed (number INTEGER)").unwrap();
    let test = "idempotency::sharing::of_several_processes_one_claims";
    let children: Vec<_> = (0..4).map(|_| child(test, &path).spawn().unwrap()).collect();
    children.into_iter().for_each(must_succeed);
    let claimed = "SELECT count(*), count(DISTINCT number) FROM claimed";
    let claimed = connection.query_row(claimed, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(claimed, (KEYS, KEYS), "each was claimed, and once");
    assert_eq!(seen_by_others(&path), (KEYS, KEYS));
}

#[tokio::test]
async fn an_inbox_and_its_stores_know_of_each_other() {
    let (_folder, path, inbox) = new_inbox().await;
    let (store, other) = (inbox.idempotency_store(), inbox.idempotency_store());
    record(&inbox, purchase()).await;
    begin(&store, claim("A", 1)).await;
    let mut changed = pin!(other.changed());
    assert!(poll_fn(|cx| Poll::Ready(changed.as_mut().poll(cx).is_pending())).await);
    drop(inbox);
    assert!(end(&store, claim("A", 1), "created").await);
    tokio::time::timeout(Duration::from_secs(5), changed).await.unwrap();
    assert_eq!(ask(&other.clone(), claim("A", 2)).await.unwrap(), done("created"));
    assert_eq!(SqliteInbox::open(&path).await.unwrap().counts().await.unwrap().of(State::Pending), 1);
}

#[tokio::test]
async fn ending_a_request_wakes_no_worker_and_a_delivery_nobody_who_waits_for_a_reply() {
    let (_folder, _, inbox) = new_inbox().await;
    let store = inbox.idempotency_store();
    let brief = Duration::from_millis(50);
    begin(&store, claim("A", 1)).await;
    let mut changed = pin!(store.changed());
    assert!(poll_fn(|cx| Poll::Ready(changed.as_mut().poll(cx).is_pending())).await);
    record(&inbox, purchase()).await;
    inbox.wait_for_work().await;
    tokio::time::timeout(brief, changed).await.unwrap_err();
    assert!(end(&store, claim("A", 1), "created").await);
    tokio::time::timeout(brief, inbox.wait_for_work()).await.unwrap_err();
}

#[tokio::test]
async fn a_locked_file_fails_within_the_busy_timeout_and_nothing_happened() {
    let (_folder, path) = file();
    let store = SqliteOptions::new(&path).busy_timeout(Duration::from_millis(50)).open_idempotency_store().await.unwrap();
    begin(&store, claim("A", 1)).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.claim(now(), claim("B", 1), fingerprint(), later()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    let error = store.complete(claim("A", 1), "created".into(), later()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    begin(&store, claim("B", 2)).await;
    assert!(end(&store, claim("A", 1), "created").await);
    assert!(format!("{store:?}").contains("inbox.db"));
}

//! The application's own schema and writes, through the inbox's thread.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks_sqlite::{CallError, SqliteInbox, SqliteOptions};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::tools::{file, purchase, record, seen_by_others};

const SCHEMA: &str = "CREATE TABLE points (customer TEXT PRIMARY KEY, points INTEGER NOT NULL) STRICT";

async fn open(options: SqliteOptions) -> SqliteInbox {
    let inbox = options.open().await.unwrap();
    inbox.call(|connection| connection.execute_batch(SCHEMA)).await.unwrap();
    inbox
}

fn give(connection: &Connection, customer: &str) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO points VALUES (?, 200)", [customer])
}

fn customers(path: &std::path::Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM points", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_schema_and_a_write_are_seen_by_others_at_once() {
    let (_folder, path) = file();
    let inbox = open(SqliteOptions::new(&path)).await;
    assert_eq!(customers(&path), 0);
    assert_eq!(inbox.call(|connection| give(connection, "alice")).await.unwrap(), 1);
    assert_eq!(customers(&path), 1);
    record(&inbox, purchase()).await;
    let points = inbox.call(|connection| connection.query_row("SELECT points FROM points", [], |row| row.get::<_, i64>(0)));
    assert_eq!(points.await.unwrap(), 200);
}

#[tokio::test]
async fn an_error_rolls_everything_back() {
    let (_folder, path) = file();
    let inbox = open(SqliteOptions::new(&path)).await;
    let twice = inbox.call(|connection| {
        give(connection, "alice")?;
        give(connection, "alice")
    });
    assert!(matches!(twice.await, Err(CallError::Statement(_))));
    assert_eq!(customers(&path), 0);
    inbox.call(|connection| give(connection, "alice")).await.unwrap();
    assert_eq!(customers(&path), 1);
}

#[tokio::test]
async fn a_panic_is_the_callers_and_the_thread_goes_on() {
    let (_folder, path) = file();
    let inbox = Arc::new(open(SqliteOptions::new(&path)).await);
    let other = Arc::clone(&inbox);
    let panicking = tokio::spawn(async move {
        let bug = |connection: &Connection| -> rusqlite::Result<()> {
            give(connection, "alice")?;
            panic!("the application's own bug")
        };
        other.call(bug).await
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(customers(&path), 0);
    record(&inbox, purchase()).await;
    inbox.call(|connection| give(connection, "alice")).await.unwrap();
    assert_eq!(customers(&path), 1);
}

#[tokio::test]
async fn a_closure_that_ends_the_transaction_is_refused() {
    let (_folder, path) = file();
    let inbox = open(SqliteOptions::new(&path)).await;
    for ending in ["ROLLBACK", "ROLLBACK; BEGIN"] {
        let error = inbox.call(move |connection| connection.execute_batch(ending)).await.unwrap_err();
        assert!(matches!(&error, CallError::Over(error) if error.kind() == StoreErrorKind::Refused), "{ending}: {error:?}");
        record(&inbox, purchase()).await;
    }
}

#[tokio::test]
async fn a_statement_that_does_not_end_is_interrupted() {
    const ENDLESS: &str = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let (_folder, path) = file();
    let inbox = open(SqliteOptions::new(&path).longest_transaction(Duration::from_millis(200))).await;
    let endless = inbox.call(|connection| {
        give(connection, "alice")?;
        connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))
    });
    assert!(endless.await.is_err());
    assert_eq!(customers(&path), 0);
    record(&inbox, purchase()).await;
}

#[tokio::test]
async fn a_file_that_is_locked_is_an_error_and_nothing_happened() {
    let (_folder, path) = file();
    let inbox = open(SqliteOptions::new(&path).busy_timeout(Duration::from_millis(50))).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = inbox.call(|connection| give(connection, "alice")).await.unwrap_err();
    assert!(matches!(&error, CallError::Over(error) if error.kind() == StoreErrorKind::Unavailable), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(customers(&path), 0);
    inbox.call(|connection| give(connection, "alice")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_and_calls_at_once_are_all_kept() {
    const EACH: usize = 100;
    let (_folder, path) = file();
    let inbox = Arc::new(open(SqliteOptions::new(&path)).await);
    let mut tasks = JoinSet::new();
    for number in 0..EACH {
        let (recording, calling) = (Arc::clone(&inbox), Arc::clone(&inbox));
        tasks.spawn(async move { assert!(record(&recording, purchase()).await > 0) });
        tasks.spawn(async move {
            let customer = format!("customer {number}");
            assert_eq!(calling.call(move |connection| give(connection, &customer)).await.unwrap(), 1);
        });
    }
    tasks.join_all().await;
    assert_eq!((seen_by_others(&path), customers(&path)), (EACH as i64, EACH as i64));
}

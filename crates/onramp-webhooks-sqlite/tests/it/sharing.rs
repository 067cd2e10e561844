//! Several users of one file.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks_sqlite::SqliteInbox;
use rusqlite::Connection;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::tools::{child, child_file, claim, file, handled, must_succeed, new_inbox, purchase, record, seen_by_others};

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_a_new_file_at_the_same_time() {
    for _ in 0..5 {
        let (_folder, path) = file();
        let barrier = Arc::new(Barrier::new(8));
        let mut opening = JoinSet::new();
        for _ in 0..8 {
            let (path, barrier) = (path.clone(), Arc::clone(&barrier));
            opening.spawn(async move {
                barrier.wait().await;
                let inbox = SqliteInbox::open(path).await.unwrap();
                record(&inbox, purchase()).await
            });
        }
        let ids: BTreeSet<i64> = opening.join_all().await.into_iter().collect();
        assert_eq!(ids, (1..=8).collect());
        assert_eq!(seen_by_others(&path), 8);
    }
}

/// Each child records some purchases and handles whatever is due, until there is nothing left.
#[test]
fn several_processes_share_a_file() {
    const EACH: usize = 40;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        runtime.block_on(async {
            let inbox = Arc::new(SqliteInbox::open(path).await.unwrap());
            let mut recording = JoinSet::new();
            for _ in 0..EACH {
                let inbox = Arc::clone(&inbox);
                recording.spawn(async move { record(&inbox, purchase()).await });
            }
            loop {
                let claimed = claim(&inbox, 7).await;
                if claimed.is_empty() && recording.is_empty() {
                    break;
                }
                handled(&inbox, &claimed).await;
                while recording.try_join_next().is_some() {}
            }
        });
        return;
    }
    let (_folder, path) = file();
    let children: Vec<_> = (0..4).map(|_| child("sharing::several_processes_share_a_file", &path).spawn().unwrap()).collect();
    children.into_iter().for_each(must_succeed);
    runtime.block_on(async {
        let inbox = SqliteInbox::open(&path).await.unwrap();
        let all = inbox.list(onramp_webhooks::inbox::Filter::all().limit(usize::MAX)).await.unwrap().records;
        assert_eq!(all.len(), 4 * EACH);
        assert!(all.iter().all(|record| record.state == State::Handled && record.attempts == 1));
    });
}

/// Two inboxes commit without a pause. Commits are counted instead of time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn inboxes_on_one_file_take_turns() {
    const COMMITS: usize = 400;
    let (_folder, path) = file();
    let writers = Arc::new(Mutex::new(Vec::new()));
    let commit = async |name: &'static str| {
        let inbox = SqliteInbox::open(&path).await.unwrap();
        while writers.lock().unwrap().len() < COMMITS {
            let writers = Arc::clone(&writers);
            let write = move |connection: &Connection| {
                writers.lock().unwrap().push(name);
                connection.execute("UPDATE onramp_probe SET writes = writes + 1", [])
            };
            inbox.call(write).await.unwrap();
        }
    };
    tokio::join!(commit("one"), commit("other"));
    let turns = writers.lock().unwrap().windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns >= COMMITS / 4, "{turns} turns");
}

#[tokio::test]
async fn an_application_keeps_its_own_tables_in_the_file() {
    let (_folder, path) = file();
    let shop = Connection::open(&path).unwrap();
    shop.execute_batch("CREATE TABLE points (customer TEXT PRIMARY KEY, points TEXT); PRAGMA user_version = 42;").unwrap();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    record(&inbox, purchase()).await;
    shop.execute("INSERT INTO points VALUES ('C', '12.5')", []).unwrap();
    record(&inbox, purchase()).await;
    drop(inbox);
    SqliteInbox::open(&path).await.unwrap();
    let kept: (String, i64) = shop
        .query_row("SELECT points, (SELECT user_version FROM pragma_user_version) FROM points", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(kept, ("12.5".into(), 42), "neither its tables nor its version");
    let ours =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'onramp\\_%' ESCAPE '\\' AND name <> 'points'";
    assert_eq!(shop.query_row(ours, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "all our tables are called onramp_");
}

#[tokio::test]
async fn reading_does_not_wait_for_a_writer() {
    let (_folder, path, inbox) = new_inbox().await;
    record(&inbox, purchase()).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE other (x)").unwrap();
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), 1);
    assert_eq!(inbox.list(onramp_webhooks::inbox::Filter::all()).await.unwrap().records.len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
}

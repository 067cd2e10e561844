//! Transactions that share a commit.

use std::collections::HashSet;
use std::fs::rename;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{DeliveryId, Lease, TransactionalInbox};
use onramp_webhooks_sqlite::{CallError, SqliteInbox, SqliteOptions};
use rusqlite::Connection;
use tokio::task::{JoinSet, yield_now};

use crate::tools::{child, child_file, file, kill_after, now};

/// The constraint is checked at once, unless a transaction defers it.
const SCHEMA: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY) STRICT;
     CREATE TABLE credits (n INTEGER PRIMARY KEY, of INTEGER REFERENCES orders (id)) STRICT";

const DEFERRED: &str = "CREATE TABLE refunds (of INTEGER REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED) STRICT";

async fn open(path: &Path) -> Arc<SqliteInbox> {
    let inbox = SqliteInbox::open(path).await.unwrap();
    inbox.call(|connection| connection.execute_batch(SCHEMA)).await.unwrap();
    Arc::new(inbox)
}

fn credits(path: &Path) -> HashSet<i64> {
    let connection = Connection::open(path).unwrap();
    let mut all = connection.prepare("SELECT n FROM credits").unwrap();
    all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Keeps the thread busy until the returned sender is dropped, for so long that the transaction counts as slow.
async fn keep_busy(inbox: &Arc<SqliteInbox>) -> Sender<()> {
    let (free, held) = channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let inbox = Arc::clone(inbox);
    tokio::spawn(async move {
        let hold = move |_: &Connection| {
            let _ = begun.send(());
            std::thread::sleep(Duration::from_millis(20));
            let _ = held.recv();
            Ok(())
        };
        inbox.call(hold).await
    });
    begins.await.unwrap();
    free
}

/// Runs one transaction among many that each add a row of their own. They are queued while the thread is busy, so that they share commits.
/// Returns its result, and asserts that all others are committed.
async fn among_others(path: &Path, inbox: &Arc<SqliteInbox>, sql: &'static str) -> Result<(), CallError> {
    let busy = keep_busy(inbox).await;
    let mut others = JoinSet::new();
    let mut add = |n: i64| {
        let inbox = Arc::clone(inbox);
        let insert = move |connection: &Connection| connection.execute("INSERT INTO credits VALUES (?, NULL)", [n]);
        others.spawn(async move { inbox.call(insert).await });
    };
    let first = credits(path).into_iter().max().unwrap_or(0) + 1;
    (first..first + 10).for_each(&mut add);
    let (one_inbox, run) = (Arc::clone(inbox), move |connection: &Connection| connection.execute_batch(sql));
    let one = tokio::spawn(async move { one_inbox.call(run).await });
    (first + 10..first + 20).for_each(&mut add);
    yield_now().await;
    drop(busy);
    for other in others.join_all().await {
        assert_eq!(other.unwrap(), 1, "beside {sql}");
    }
    let committed = credits(path);
    assert!((first..first + 20).all(|n| committed.contains(&n)), "beside {sql}");
    one.await.unwrap()
}

fn kind(result: Result<(), CallError>) -> StoreErrorKind {
    match result {
        Err(CallError::Over(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_is_seen_by_others_when_it_returns() {
    let (_folder, path) = file();
    let inbox = open(&path).await;
    let busy = keep_busy(&inbox).await;
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let (inbox, path) = (Arc::clone(&inbox), path.clone());
        tasks.spawn(async move {
            inbox.call(move |connection| connection.execute("INSERT INTO credits VALUES (?, NULL)", [n])).await.unwrap();
            assert!(credits(&path).contains(&n));
        });
    }
    yield_now().await;
    drop(busy);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

#[tokio::test]
async fn a_statement_that_would_end_the_transaction_is_refused_alone() {
    let (_folder, path) = file();
    let inbox = open(&path).await;
    for sql in [
        "INSERT INTO credits VALUES (-1, NULL); COMMIT",
        "INSERT INTO credits VALUES (-1, NULL); END; BEGIN IMMEDIATE",
        "INSERT INTO credits VALUES (-1, NULL); ROLLBACK",
        "INSERT INTO credits VALUES (-1, NULL); RELEASE onramp_transaction",
        "INSERT INTO credits VALUES (-1, NULL); RELEASE SAVEPOINT 'Onramp_Transaction'",
        "INSERT INTO credits VALUES (-1, NULL); ROLLBACK TO onramp_transaction",
        "INSERT INTO credits VALUES (-1, NULL); SAVEPOINT onramp_transaction",
    ] {
        assert_eq!(kind(among_others(&path, &inbox, sql).await), StoreErrorKind::Refused, "{sql}");
        assert!(!credits(&path).contains(&-1), "{sql}");
    }
}

#[tokio::test]
async fn a_failed_one_is_rolled_back_alone() {
    let (_folder, path) = file();
    let inbox = open(&path).await;
    let failed = among_others(&path, &inbox, "INSERT INTO credits VALUES (-1, NULL); INSERT INTO credits VALUES (-2, 7)").await;
    assert!(matches!(failed, Err(CallError::Statement(_))), "{failed:?}");
    assert!(!credits(&path).contains(&-1));
}

#[tokio::test]
async fn savepoints_end_with_their_transaction() {
    let (_folder, path) = file();
    let inbox = open(&path).await;
    let undone = "INSERT INTO credits VALUES (-1, NULL); SAVEPOINT own; INSERT INTO credits VALUES (-2, NULL); ROLLBACK TO own";
    among_others(&path, &inbox, undone).await.unwrap();
    among_others(&path, &inbox, "SAVEPOINT own; INSERT INTO credits VALUES (-3, NULL)").await.unwrap();
    assert_eq!([-1, -2, -3].map(|n| credits(&path).contains(&n)), [true, false, true]);
}

#[tokio::test]
async fn a_deferred_constraint_fails_alone() {
    let (_folder, path) = file();
    let inbox = open(&path).await;
    // Deferred in the transaction itself: by a pragma, and by a new table.
    let violation = "PRAGMA defer_foreign_keys = ON; INSERT INTO credits VALUES (-1, 7)";
    let new =
        "CREATE TABLE debits (of INTEGER REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED); INSERT INTO debits VALUES (7)";
    for sql in [violation, new] {
        assert_eq!(kind(among_others(&path, &inbox, sql).await), StoreErrorKind::Unavailable, "{sql}");
    }
    // Deferred by the schema.
    inbox.call(|connection| connection.execute_batch(DEFERRED)).await.unwrap();
    let of_schema = "INSERT INTO refunds VALUES (7)";
    assert_eq!(kind(among_others(&path, &inbox, of_schema).await), StoreErrorKind::Unavailable);
    among_others(&path, &inbox, "INSERT INTO refunds VALUES (8); INSERT INTO orders VALUES (8)").await.unwrap();
    assert!(!credits(&path).contains(&-1));
}

#[tokio::test]
async fn a_pragma_that_defers_constraints_does_not_defer_those_of_others() {
    let (_folder, path) = file();
    let inbox = open(&path).await;
    for _ in 0..20 {
        let busy = keep_busy(&inbox).await;
        let [deferring, other] = ["PRAGMA defer_foreign_keys = ON", "INSERT INTO credits VALUES (-1, 7)"].map(|sql| {
            let inbox = Arc::clone(&inbox);
            tokio::spawn(async move {
                inbox.call(|_| Ok(())).await.unwrap();
                inbox.call(move |connection| connection.execute_batch(sql)).await
            })
        });
        yield_now().await;
        drop(busy);
        deferring.await.unwrap().unwrap();
        let failed = other.await.unwrap();
        assert!(matches!(failed, Err(CallError::Statement(_))), "at its statement, and not at the commit: {failed:?}");
    }
}

/// Some are committed before, and some with or after the one that rolls everything back.
#[tokio::test]
async fn a_rollback_of_all_is_told_to_all() {
    let (_folder, path) = file();
    let inbox = open(&path).await;
    inbox.call(|connection| connection.execute_batch("INSERT INTO credits VALUES (-1, NULL)")).await.unwrap();
    let mut have_failed = 0;
    while have_failed == 0 {
        let busy = keep_busy(&inbox).await;
        let mut tasks = JoinSet::new();
        let first = credits(&path).into_iter().max().unwrap_or(0) + 1;
        for n in first..first + 20 {
            let inbox = Arc::clone(&inbox);
            let sql = if n == first + 10 {
                "INSERT OR ROLLBACK INTO credits VALUES (-1, ?)"
            } else {
                "INSERT INTO credits VALUES (?, NULL)"
            };
            tasks.spawn(async move { (n, inbox.call(move |connection| connection.execute(sql, [n])).await) });
        }
        yield_now().await;
        drop(busy);
        let results = tasks.join_all().await;
        let committed = credits(&path);
        for (n, result) in results {
            assert_eq!(result.is_ok(), committed.contains(&n), "{n}: {result:?}");
            let told = result.err().map(|error| kind(Err(error)));
            let refused = n == first + 10;
            assert_eq!(told == Some(StoreErrorKind::Refused), refused, "{n}: {told:?}");
            have_failed += usize::from(told == Some(StoreErrorKind::Unavailable));
        }
    }
}

#[tokio::test]
async fn a_file_that_is_gone_at_the_commit_fails_all() {
    let (folder, path) = file();
    let inbox = open(&path).await;
    let elsewhere = folder.path().join("elsewhere.db");
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    open.call(|connection| connection.execute("INSERT INTO credits VALUES (1, NULL)", [])).await.unwrap();
    let following = Arc::clone(&inbox);
    let follows =
        tokio::spawn(
            async move { following.call(|connection| connection.execute("INSERT INTO credits VALUES (2, NULL)", [])).await },
        );
    yield_now().await;
    rename(&path, &elsewhere).unwrap();
    let lease = Lease::new(DeliveryId::from_i64(1), 1);
    let completed = inbox.complete(open, now(), lease).await;
    assert!(!matches!(completed, Ok(true)));
    assert_eq!(kind(follows.await.unwrap().map(drop)), StoreErrorKind::Unavailable);
    rename(&elsewhere, &path).unwrap();
    inbox.call(|connection| connection.execute("INSERT INTO credits VALUES (3, NULL)", [])).await.unwrap();
}

#[tokio::test]
async fn after_a_slow_one_each_is_committed_before_the_next_begins() {
    let (_folder, path) = file();
    let inbox = Arc::new(SqliteOptions::new(&path).longest_transaction(Duration::from_secs(30)).open().await.unwrap());
    inbox.call(|connection| connection.execute_batch(SCHEMA)).await.unwrap();
    let busy = keep_busy(&inbox).await;
    let first = Arc::clone(&inbox);
    let first =
        tokio::spawn(
            async move { first.call(|connection| connection.execute("INSERT INTO credits VALUES (1, NULL)", [])).await },
        );
    yield_now().await;
    let mut hanging = inbox.begin(Duration::from_secs(30)).await.unwrap();
    let insert = |connection: &Connection| connection.execute("INSERT INTO credits VALUES (2, NULL)", []);
    let (begun, ()) = tokio::join!(hanging.call(insert), async {
        yield_now().await;
        drop(busy);
    });
    begun.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(hanging.call(|_| Ok(())).await.unwrap(), (), "the first one waited until this one was over");
    inbox.roll_back(hanging).await.unwrap();
    assert_eq!(credits(&path), HashSet::from([1]));
}

/// The child prints the number of every credit once it is committed.
#[test]
fn everything_committed_is_there_after_a_crash() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        runtime.block_on(async {
            let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
            let mut tasks = JoinSet::new();
            for _ in 0..64 {
                let inbox = Arc::clone(&inbox);
                tasks.spawn(async move {
                    loop {
                        let insert = |connection: &Connection| {
                            connection.execute("INSERT INTO credits DEFAULT VALUES", [])?;
                            Ok(connection.last_insert_rowid())
                        };
                        println!("committed {}", inbox.call(insert).await.unwrap());
                    }
                });
            }
            tasks.join_next().await;
        });
    }
    let (_folder, path) = file();
    drop(runtime.block_on(open(&path)));
    for _ in 0..5 {
        let told = kill_after(200, "committed ", child("groups::everything_committed_is_there_after_a_crash", &path));
        let committed = credits(&path);
        let lost: Vec<_> = told.iter().filter(|n| !committed.contains(&n.parse().unwrap())).collect();
        assert!(told.len() >= 200 && lost.is_empty(), "{} of {} are gone", lost.len(), told.len());
    }
}

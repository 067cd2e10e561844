//! Transactional handlers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use onramp_webhooks::inbox::{Inbox, Lease, State, TransactionalInbox};
use onramp_webhooks::{Delivery, HandlerError, StoreErrorKind, TransactionalHandler, Wert, async_trait};
use onramp_webhooks_sqlite::{CallError, SqliteInbox, SqliteOptions, SqliteTransaction};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::transactional::{Fixture, Ledger};
use onramp_webhooks_testkit::{TestDelivery, handled_in, until};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::tools::{claim, file, now, purchase, record};

struct Shop {
    inbox: Arc<SqliteInbox>,
    path: PathBuf,
}

#[async_trait]
impl Ledger for Shop {
    type Inbox = SqliteInbox;

    fn inbox(&self) -> Arc<SqliteInbox> {
        Arc::clone(&self.inbox)
    }

    async fn credit(&self, transaction: &mut SqliteTransaction, cents: i64) -> Result<(), HandlerError> {
        transaction.call(move |connection| connection.execute("INSERT INTO ledger VALUES (?)", [cents])).await?;
        Ok(())
    }

    async fn fail(&self, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        transaction.call(|connection| connection.execute("INSERT INTO ledger VALUES (NULL)", [])).await?;
        Ok(())
    }

    async fn end(&self, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        transaction.call(|connection| connection.execute_batch("COMMIT")).await?;
        Ok(())
    }

    async fn total(&self) -> i64 {
        let connection = Connection::open(&self.path).unwrap();
        connection.query_row("SELECT coalesce(sum(cents), 0) FROM ledger", [], |row| row.get(0)).unwrap()
    }
}

async fn open() -> Fixture {
    let (folder, path) = file();
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE ledger (cents INTEGER NOT NULL)").unwrap();
    Fixture::new(Shop { inbox, path }).keeping(folder)
}

onramp_webhooks_testkit::transactional_suite!(open);

/// Fails at its first attempt, after it has written.
struct Second;

#[async_trait]
impl TransactionalHandler<SqliteTransaction> for Second {
    async fn handle(&self, delivery: &Delivery, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        let cents = i64::from(delivery.attempt());
        transaction.call(move |connection| connection.execute("INSERT INTO ledger VALUES (?)", [cents])).await?;
        if delivery.attempt() == 1 { Err(HandlerError::transient("not at once")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_handler_under_test_commits_once_and_not_after_an_error() {
    let (_folder, path) = file();
    let inbox = Arc::new(SqliteInbox::open(&path).await.unwrap());
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE ledger (cents INTEGER NOT NULL)").unwrap();
    let other = record(&*inbox, purchase()).await;
    let order = WertOrder::new();
    handled_in(&*inbox, &Second, order.complete()).await.unwrap_err();
    until(&*inbox, State::Pending, 2).await;
    let again = TestDelivery::new::<Wert>(order.complete()).attempt(2);
    handled_in(&*inbox, &Second, again).await.unwrap();
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.of(State::Handled), counts.of(State::Pending)), (1, 1), "delivery {other} is left to the workers");
    assert_eq!(Shop { inbox, path }.total().await, 2);
}

const LIMIT: Duration = Duration::from_millis(200);

/// An inbox with a leased delivery.
async fn leased(options: SqliteOptions) -> (SqliteInbox, Lease) {
    let inbox = options.open().await.unwrap();
    record(&inbox, purchase()).await;
    let lease = claim(&inbox, 1).await[0].lease;
    (inbox, lease)
}

#[tokio::test]
async fn recording_goes_on_while_a_handler_hangs_between_two_calls() {
    let (_folder, path) = file();
    let (inbox, lease) = leased(SqliteOptions::new(path).longest_transaction(LIMIT)).await;
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    open.call(|connection| connection.execute_batch("CREATE TABLE shop (x)")).await.unwrap();
    let begun = Instant::now();
    record(&inbox, purchase()).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(open.call(|connection| connection.execute_batch("INSERT INTO shop VALUES (1)")).await.is_err());
    let error = inbox.complete(open, now(), lease).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 0);
}

#[tokio::test]
async fn recording_goes_on_while_a_handlers_statement_does_not_end() {
    const ENDLESS: &str = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let (_folder, path) = file();
    let (inbox, lease) = leased(SqliteOptions::new(path).longest_transaction(LIMIT)).await;
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    let begun = Instant::now();
    let endless = open.call(|connection| connection.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)));
    let (endless, _) = tokio::join!(endless, record(&inbox, purchase()));
    assert!(endless.is_err() && begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(inbox.complete(open, now(), lease).await.is_err());
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 0);
    record(&inbox, purchase()).await;
}

#[tokio::test]
async fn a_file_that_is_locked_is_not_the_handlers_fault() {
    let (_folder, path) = file();
    let (inbox, lease) = leased(SqliteOptions::new(&path).busy_timeout(Duration::from_millis(50))).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    assert!(open.call(|connection| connection.execute_batch("CREATE TABLE shop (x)")).await.is_err());
    let error = inbox.roll_back(open).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "the attempt would count");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(inbox.complete(inbox.begin(LIMIT).await.unwrap(), now(), lease).await.unwrap());
}

#[tokio::test]
async fn another_transaction_in_place_of_the_first_is_noticed() {
    let (_folder, path) = file();
    let (inbox, lease) = leased(SqliteOptions::new(&path)).await;
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    open.call(|connection| connection.execute_batch("CREATE TABLE shop (x); COMMIT; BEGIN")).await.unwrap_err();
    assert_eq!(inbox.complete(open, now(), lease).await.unwrap_err().kind(), StoreErrorKind::Refused);
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 0);
}

#[tokio::test]
async fn a_panic_in_a_call_is_the_handlers_and_the_thread_goes_on() {
    let (_folder, path) = file();
    let (inbox, _) = leased(SqliteOptions::new(&path)).await;
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    let panicking = tokio::spawn(async move {
        open.call(|connection| -> rusqlite::Result<()> {
            connection.execute_batch("CREATE TABLE shop (x)")?;
            panic!("the handler's own bug")
        })
        .await
    });
    assert!(panicking.await.unwrap_err().is_panic());
    record(&inbox, purchase()).await;
    assert!(Connection::open(&path).unwrap().execute("INSERT INTO shop VALUES (1)", []).is_err(), "it was rolled back");
}

#[tokio::test]
async fn a_full_disk_in_a_transaction_is_told_and_recovered_from() {
    let (_folder, path) = file();
    let (inbox, lease) = leased(SqliteOptions::new(&path).largest_file(400_000)).await;
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    open.call(|connection| connection.execute_batch("CREATE TABLE shop (x)")).await.unwrap();
    let error = open.call(|connection| connection.execute("INSERT INTO shop VALUES (zeroblob(1000000))", [])).await.unwrap_err();
    assert!(matches!(&error, CallError::Over(error) if error.kind() == StoreErrorKind::Full), "{error:?}");
    assert!(open.call(|connection| connection.execute("INSERT INTO shop VALUES (1)", [])).await.is_err(), "it is over");
    inbox.roll_back(open).await.unwrap();
    record(&inbox, purchase()).await;
    let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
    open.call(|connection| connection.execute_batch("CREATE TABLE shop (x)")).await.unwrap();
    assert!(inbox.complete(open, now(), lease).await.unwrap());
}

/// Handlers run one after the other, and recording happens in between.
#[tokio::test(flavor = "multi_thread")]
async fn recording_does_not_wait_for_all_handlers_that_take_their_whole_time() {
    const DEADLINE: Duration = Duration::from_secs(4);
    let (_folder, path) = file();
    let inbox = Arc::new(SqliteInbox::open(path).await.unwrap());
    let mut handlers = JoinSet::new();
    let held = Arc::new(AtomicUsize::new(0));
    for _ in 0..16 {
        let (inbox, held) = (Arc::clone(&inbox), Arc::clone(&held));
        handlers.spawn(async move {
            loop {
                let mut open = inbox.begin(Duration::from_secs(30)).await.unwrap();
                while open.call(|connection| connection.execute_batch("CREATE TABLE IF NOT EXISTS shop (x)")).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                held.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let mut longest = Duration::ZERO;
    while held.load(Ordering::SeqCst) < 5 {
        let begun = Instant::now();
        record(&inbox, purchase()).await;
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < DEADLINE / 2, "{longest:?}");
    assert!(longest > Duration::from_millis(500), "no handler held the file for its time: {longest:?}");
    handlers.abort_all();
}

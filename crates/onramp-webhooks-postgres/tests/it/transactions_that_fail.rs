//! Transactions that hang, are left open, or are ended by the handler.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onramp_webhooks::inbox::{Filter, Inbox, Lease, QuarantineBound, Record, Settled, Settlement, State, TransactionalInbox};
use onramp_webhooks::worker::{RetryPolicy, WorkerBuilder};
use onramp_webhooks::{Delivery, HandlerError, StoreErrorKind, TransactionalHandler, async_trait};
use onramp_webhooks_postgres::{PostgresInbox, PostgresTransaction};
use sqlx::{Connection, raw_sql};

use crate::tools::{TestSchema, claim, connection, now, purchase, record, within};

const LIMIT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(600);

/// An inbox with a ledger and a leased delivery.
struct Shop {
    inbox: Arc<PostgresInbox>,
    schema: TestSchema,
    lease: Lease,
}

impl Shop {
    async fn new() -> Self {
        let schema = TestSchema::new();
        let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
        let table = "CREATE TABLE onramp.ledger (cents BIGINT NOT NULL)";
        raw_sql(schema.sql(table)).execute(&mut connection().await).await.unwrap();
        record(&inbox, purchase()).await;
        let lease = claim(&inbox, 1).await[0].lease;
        Self { inbox, schema, lease }
    }

    /// A transaction with a row, and the server's process for it.
    async fn written(&self, limit: Duration) -> (PostgresTransaction, i32) {
        let mut open = self.inbox.begin(limit).await.unwrap();
        raw_sql(self.schema.sql("INSERT INTO onramp.ledger VALUES (100)")).execute(&mut *open).await.unwrap();
        let backend = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *open).await.unwrap();
        (open, backend)
    }

    async fn stands(&self) -> (State, i64) {
        let total = self.schema.sql("SELECT coalesce(sum(cents), 0)::bigint FROM onramp.ledger");
        let total = sqlx::query_scalar(total).fetch_one(&mut connection().await).await.unwrap();
        (self.only().await.state, total)
    }

    async fn only(&self) -> Record {
        let kept = self.inbox.list(Filter::all()).await.unwrap().records;
        self.inbox.show(kept[0].id).await.unwrap().unwrap()
    }
}

/// The server has ended the transaction, and whatever it was at, by itself.
async fn is_over(backend: i32) {
    let mut observer = connection().await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state <> 'idle'";
    let mut is_over = async || sqlx::query_scalar(open).bind(backend).fetch_one(&mut observer).await.ok() == Some(0_i64);
    within(Duration::from_secs(5), "the transaction is over", &mut is_over).await;
}

#[tokio::test]
async fn a_statement_that_hangs_ends_with_the_time() {
    let shop = Shop::new().await;
    let (mut open, _) = shop.written(SHORT).await;
    let begun = Instant::now();
    raw_sql("SELECT pg_sleep(600)").execute(&mut *open).await.unwrap_err();
    assert!(begun.elapsed() < SHORT + Duration::from_secs(1), "{:?}", begun.elapsed());
    shop.inbox.roll_back(open).await.unwrap();
    assert_eq!(shop.stands().await, (State::Leased, 0));
}

/// The worker gives up, and the server does not hear of it in the middle of a statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_given_up_ends_at_the_server_too() {
    let shop = Shop::new().await;
    let (mut open, backend) = shop.written(SHORT).await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), raw_sql("SELECT pg_sleep(600)").execute(&mut *open)).await;
    assert!(given_up.is_err());
    drop(open);
    is_over(backend).await;
    assert_eq!(shop.stands().await, (State::Leased, 0));
}

struct Sleeps;

#[async_trait]
impl TransactionalHandler<PostgresTransaction> for Sleeps {
    async fn handle(&self, delivery: &Delivery, transaction: &mut PostgresTransaction) -> Result<(), HandlerError> {
        if delivery.attempt() == 1 {
            raw_sql("SELECT pg_sleep(600)").execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_whose_statement_hangs_is_tried_again() {
    let shop = Shop::new().await;
    let released = vec![Settlement::new(shop.lease, Settled::Released)];
    assert_eq!(shop.inbox.settle(now(), released).await.unwrap(), []);
    let quick = RetryPolicy::new(3, Duration::from_millis(5), Duration::from_millis(5));
    let worker = WorkerBuilder::transactional(Arc::clone(&shop.inbox), Sleeps);
    let worker = worker.attempt_timeout(Duration::from_secs(3)).retry(quick).poll(Duration::from_millis(5)).spawn();
    let is_handled = async || shop.only().await.state == State::Handled;
    within(Duration::from_secs(10), "the delivery is handled", is_handled).await;
    worker.shutdown().await;
    assert_eq!(shop.only().await.attempts, 2);
}

/// A worker that was frozen comes back when its time is over and another has completed.
#[tokio::test]
async fn what_was_frozen_is_not_committed_any_more() {
    let shop = Shop::new().await;
    let (open, backend) = shop.written(SHORT).await;
    is_over(backend).await;
    let other = vec![Settlement::new(shop.lease, Settled::Handled)];
    assert_eq!(shop.inbox.settle(now(), other).await.unwrap(), [], "nothing is locked");
    shop.inbox.complete(open, now(), shop.lease).await.unwrap_err();
    assert_eq!(shop.stands().await, (State::Handled, 0));
}

/// The same within its time: the fence decides.
#[tokio::test]
async fn what_another_machine_completed_is_not_committed() {
    let shop = Shop::new().await;
    let another = shop.schema.open(QuarantineBound::default()).await;
    let (open, _) = shop.written(LIMIT).await;
    let late = now().after(Duration::from_secs(60));
    let claims = another.claim(late, onramp_webhooks::inbox::ClaimRequest::new(1, LIMIT)).await.unwrap();
    let mut its = another.begin(LIMIT).await.unwrap();
    raw_sql(shop.schema.sql("INSERT INTO onramp.ledger VALUES (20)")).execute(&mut *its).await.unwrap();
    assert!(another.complete(its, late, claims.deliveries[0].lease).await.unwrap());
    assert!(!shop.inbox.complete(open, now(), shop.lease).await.unwrap());
    assert_eq!(shop.stands().await, (State::Handled, 20));
}

#[tokio::test]
async fn a_savepoint_that_is_left_open_commits_nothing() {
    let shop = Shop::new().await;
    let (mut open, backend) = shop.written(LIMIT).await;
    std::mem::forget(open.begin().await.unwrap());
    let error = shop.inbox.complete(open, now(), shop.lease).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    is_over(backend).await;
    assert_eq!(shop.stands().await, (State::Leased, 0));
}

/// A failed transaction answers nothing but the way back.
#[tokio::test]
async fn another_transaction_in_place_of_ours_is_found_out_after_a_failed_statement_too() {
    for sql in ["COMMIT", "COMMIT; BEGIN", "ROLLBACK; BEGIN", "COMMIT; BEGIN; SAVEPOINT theirs"] {
        for fails in [false, true] {
            for completes in [false, true] {
                let shop = Shop::new().await;
                let (mut open, _) = shop.written(LIMIT).await;
                raw_sql(sql).execute(&mut *open).await.unwrap();
                if fails {
                    raw_sql("SELECT 1 / 0").execute(&mut *open).await.unwrap_err();
                }
                let ended = match completes {
                    true => shop.inbox.complete(open, now(), shop.lease).await.map(drop),
                    false => shop.inbox.roll_back(open).await,
                };
                let kind = ended.unwrap_err().kind();
                assert_eq!(kind, StoreErrorKind::Refused, "{sql}, fails: {fails}, completes: {completes}");
                assert_eq!(shop.only().await.state, State::Leased);
            }
        }
    }
}

#[tokio::test]
async fn a_failed_statement_is_not_taken_for_another_transaction() {
    for completes in [false, true] {
        let shop = Shop::new().await;
        let (mut open, _) = shop.written(LIMIT).await;
        raw_sql("SELECT 1 / 0").execute(&mut *open).await.unwrap_err();
        match completes {
            true => {
                let error = shop.inbox.complete(open, now(), shop.lease).await.unwrap_err();
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
            }
            false => shop.inbox.roll_back(open).await.unwrap(),
        }
        assert_eq!(shop.stands().await, (State::Leased, 0));
    }
}

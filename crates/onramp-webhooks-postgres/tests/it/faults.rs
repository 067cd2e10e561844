//! Faults that only a server has.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{ClaimRequest, Inbox, NewDelivery, QuarantineBound, Recorded, State};
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, raw_sql};
use tokio::task::JoinSet;

use crate::tools::{TestSchema, assert_idle, claim, connection, handled, now, pool, pool_with, purchase, record, url};

/// Connects a pool of one connection without a check before use, with a name by which the connection is found.
async fn unchecked(name: &str) -> PgPool {
    let options: PgConnectOptions = url().parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false).acquire_timeout(Duration::from_secs(5));
    pool.connect_with(options.application_name(name)).await.unwrap()
}

/// Ends all connections of that name, waits until they are gone, and returns their number.
async fn kill(name: &str) -> i64 {
    let mut connection = connection().await;
    let kill = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = $1";
    sqlx::query_scalar(kill).bind(name).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_connection_that_is_killed_between_calls_fails_none() {
    let schema = TestSchema::new();
    let inbox = PostgresOptions::new(unchecked(schema.name()).await).schema(schema.name()).open().await.unwrap();
    assert!(kill(schema.name()).await > 0);
    record(&inbox, purchase()).await;
    assert!(kill(schema.name()).await > 0);
    let claimed = claim(&inbox, 1).await;
    assert!(kill(schema.name()).await > 0);
    handled(&inbox, &claimed).await;
    assert!(kill(schema.name()).await > 0);
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 1);
    assert!(kill(schema.name()).await > 0);
    inbox.check().await.unwrap();
}

#[tokio::test]
async fn whoever_listens_listens_again_after_its_connection_was_killed() {
    let schema = TestSchema::new();
    let inbox = PostgresOptions::new(unchecked(schema.name()).await).schema(schema.name()).open().await.unwrap();
    let there = schema.open(QuarantineBound::default()).await;
    let wait = || tokio::time::timeout(Duration::from_secs(20), inbox.wait_for_work());
    wait().await.unwrap();
    assert!(kill(schema.name()).await > 0);
    wait().await.unwrap();
    record(&there, purchase()).await;
    wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_killed_under_load_lose_nothing() {
    let schema = TestSchema::new();
    let options: PgConnectOptions = url().parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(4).connect_with(options.application_name(schema.name())).await.unwrap();
    let inbox = Arc::new(PostgresOptions::new(pool).schema(schema.name()).open().await.unwrap());
    let mut recording = JoinSet::new();
    for _ in 0..8 {
        let inbox = Arc::clone(&inbox);
        recording.spawn(async move {
            let mut acknowledged = 0;
            for _ in 0..40 {
                acknowledged += u64::from(inbox.record(purchase()).await.is_ok());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            acknowledged
        });
    }
    let mut killed = 0;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(15)).await;
        killed += kill(schema.name()).await;
    }
    assert!(killed > 0);
    let acknowledged: u64 = recording.join_all().await.into_iter().sum();
    let kept = inbox.counts().await.unwrap().of(State::Pending);
    assert!(acknowledged > 0 && kept >= acknowledged, "{acknowledged} were acknowledged, and {kept} are kept");
}

#[tokio::test]
async fn where_no_server_is_the_store_is_away() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = PostgresInbox::connect(&format!("postgres://postgres@{gone}/postgres")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_server_that_refuses_the_database_or_the_role_is_unusable() {
    let options: PgConnectOptions = url().parse().unwrap();
    for refused in [options.clone().database("a database of nobody"), options.username("a role of nobody")] {
        let pool = PgPoolOptions::new().connect_lazy_with(refused);
        let error = PostgresInbox::new(pool).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unusable, "{error}");
    }
}

#[tokio::test]
async fn a_closed_pool_a_missing_table_and_a_read_only_database_have_their_kinds() {
    let schema = TestSchema::new();
    let kind = |result: Result<Recorded, StoreError>| result.unwrap_err().kind();

    let closed = pool(1).await;
    let inbox = PostgresOptions::new(closed.clone()).schema(schema.name()).open().await.unwrap();
    closed.close().await;
    assert_eq!(kind(inbox.record(purchase()).await), StoreErrorKind::Closed);

    let read_only = pool_with("default_transaction_read_only", "on").await;
    let inbox = PostgresOptions::new(read_only).schema(schema.name()).open().await.unwrap();
    assert_eq!(kind(inbox.record(purchase()).await), StoreErrorKind::ReadOnly);
    assert_eq!(inbox.check().await.unwrap_err().kind(), StoreErrorKind::ReadOnly);

    let inbox = schema.open(QuarantineBound::default()).await;
    raw_sql(schema.sql("DROP TABLE onramp.bodies")).execute(&mut connection().await).await.unwrap();
    assert_eq!(kind(inbox.record(purchase()).await), StoreErrorKind::Unusable);
}

/// A server where commits do not wait for the disk by themselves.
#[tokio::test]
async fn what_is_acknowledged_is_on_the_disk_even_where_commits_do_not_wait() {
    let schema = TestSchema::new();
    let hasty = pool_with("synchronous_commit", "off").await;
    let inbox = PostgresOptions::new(hasty.clone()).schema(schema.name()).open().await.unwrap();
    // A trigger sees the setting of the transaction that records.
    let spy = format!(
        "CREATE TABLE onramp.seen (setting TEXT);
         CREATE FUNCTION onramp.see() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO {}.seen VALUES (current_setting(''synchronous_commit'')); RETURN NEW; END';
         CREATE TRIGGER see AFTER INSERT ON onramp.deliveries FOR EACH ROW EXECUTE FUNCTION onramp.see();",
        schema.name()
    );
    raw_sql(schema.sql(&spy)).execute(&hasty).await.unwrap();
    record(&inbox, purchase()).await;
    let seen: Vec<String> = sqlx::query_scalar(schema.sql("SELECT setting FROM onramp.seen")).fetch_all(&hasty).await.unwrap();
    assert_eq!(seen, ["on"]);
}

/// Bodies may name things with any characters, and at any length.
#[tokio::test]
async fn zeros_and_long_names_are_kept() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    // Text that does not get shorter when it is packed.
    let random = std::iter::repeat_with(fastrand::lowercase).take(100_000).collect();
    for name in ["a\0b".to_owned(), "\u{1}0".into(), "\u{1}".into(), "é€😀".into(), random] {
        let mut new = NewDelivery::new(name.as_str(), "wert", now(), name.clone().into());
        new.event_type = Some(name.clone());
        new.key = Some(DedupKey::from_parts(format!("wert/order/{name}"), name.clone()));
        new.stage = Some(OrderStage::FINAL);
        let id = record(&inbox, new.clone()).await;
        assert!(matches!(inbox.record(new.clone()).await.unwrap(), Recorded::Duplicate { .. }));
        let claimed = claim(&inbox, 10).await;
        assert_eq!(claimed[0].key, new.key);
        let filter = onramp_webhooks::inbox::Filter::all().about(name.clone()).event_type(name.clone());
        let list = inbox.list(filter).await.unwrap().records;
        assert_eq!(list.iter().map(|record| record.id.as_i64()).collect::<Vec<_>>(), [id]);
        assert_eq!((list[0].event_type.as_deref(), &*list[0].endpoint), (Some(name.as_str()), name.as_str()));
        handled(&inbox, &claimed).await;
    }
}

/// A claim that stays open, as of a machine that hangs in the middle of it, holds the others up for a limited time only.
#[tokio::test]
async fn a_claimer_that_hangs_fails_the_others_in_time() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    record(&inbox, purchase()).await;
    let mut hangs = connection().await;
    let lock = "SELECT pg_advisory_lock(hashtextextended('onramp-webhooks/claim/' || $1, 0))";
    sqlx::query(lock).bind(schema.name()).execute(&mut hangs).await.unwrap();
    let error = inbox.claim(now(), ClaimRequest::new(1, Duration::from_secs(30))).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    record(&inbox, purchase()).await;
    sqlx::raw_sql("SELECT pg_advisory_unlock_all()").execute(&mut hangs).await.unwrap();
    assert_eq!(claim(&inbox, 2).await.len(), 2);
}

/// A call may be dropped at any moment, and the pool is the application's: no connection may return to it inside a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cut_off_leaves_no_open_transaction() {
    let schema = TestSchema::new();
    let pool = pool(1).await;
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await.unwrap();
    let mut observer = connection().await;
    for micros in (0..4_000).step_by(40) {
        let claim = inbox.claim(now(), ClaimRequest::new(1, Duration::from_secs(30)));
        let _ = tokio::time::timeout(Duration::from_micros(micros), claim).await;
        assert_idle(&pool, &mut observer).await;
    }
}

/// The application has them all, for once. Recording has a connection of its own after the first delivery.
#[tokio::test]
async fn a_pool_without_a_free_connection_fails_calls_in_time() {
    let schema = TestSchema::new();
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_millis(500));
    let pool = pool.connect(&url()).await.unwrap();
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await.unwrap();
    let taken = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let in_time = |call| tokio::time::timeout(Duration::from_secs(10), call);
    assert_eq!(in_time(inbox.record(purchase())).await.unwrap().unwrap_err().kind(), StoreErrorKind::Unavailable);
    let claim_one = inbox.claim(now(), ClaimRequest::new(1, Duration::from_secs(30)));
    assert_eq!(claim_one.await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    drop(taken);
    record(&inbox, purchase()).await;
    let taken = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    record(&inbox, purchase()).await;
    drop(taken);
    assert_eq!(claim(&inbox, 9).await.len(), 2);
}

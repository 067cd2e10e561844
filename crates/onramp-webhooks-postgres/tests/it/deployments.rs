//! Servers, pools and roles as deployments have them.

use std::sync::Arc;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Inbox, NewDelivery, QuarantineBound, Recorded, State};
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, raw_sql};
use tokio::task::JoinSet;

use crate::tools::{TestSchema, claim, connection, handled, pool, purchase, record, url};

/// Returns connections to their pool inside of a transaction, as a handler of the application does that is cut off.
async fn leave(pool: &PgPool, statements: &'static str) {
    let mut connections = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        let mut connection = pool.acquire().await.unwrap();
        let _ = raw_sql(statements).execute(&mut *connection).await;
        connections.push(connection);
    }
    for mut connection in connections {
        connection.return_to_pool().await;
    }
}

#[tokio::test]
async fn transactions_that_the_application_left_in_its_pool_fail_no_call() {
    let schema = TestSchema::new();
    let pool = pool(8).await;
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await.unwrap();
    leave(&pool, "BEGIN; SELECT 1 / 0").await;
    record(&inbox, purchase()).await;
    leave(&pool, "BEGIN; SELECT 1 / 0").await;
    handled(&inbox, &claim(&inbox, 1).await).await;
    leave(&pool, "BEGIN; SELECT 1 / 0").await;
    inbox.check().await.unwrap();
}

/// A statement in it would be acknowledged before its commit.
#[tokio::test]
async fn nothing_is_recorded_in_a_transaction_that_the_application_left_open() {
    let schema = TestSchema::new();
    let pool = pool(1).await;
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await.unwrap();
    leave(&pool, "BEGIN").await;
    record(&inbox, purchase()).await;
    let kept = schema.sql("SELECT count(*) FROM onramp.deliveries");
    let kept: i64 = sqlx::query_scalar(kept).fetch_one(&mut connection().await).await.unwrap();
    assert_eq!(kept, 1);
}

/// Replication copies rows, and leaves the sequence where it was.
#[tokio::test]
async fn a_sequence_that_is_behind_fails_no_call() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    let delivery = purchase();
    for new in [delivery.clone(), purchase(), purchase()] {
        record(&inbox, new).await;
    }
    let back = || schema.sql("SELECT setval(pg_get_serial_sequence('onramp.deliveries', 'id'), 1, false)");
    raw_sql(back()).execute(&mut connection().await).await.unwrap();
    assert_eq!(record(&inbox, purchase()).await, 4);
    // A conflict is inserted in another transaction.
    raw_sql(back()).execute(&mut connection().await).await.unwrap();
    let mut conflict = delivery;
    conflict.fingerprint = purchase().fingerprint;
    conflict.body = "{}".into();
    let recorded = inbox.record(conflict).await.unwrap();
    assert!(matches!(recorded, Recorded::Conflict { .. }), "{recorded:?}");
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), 4);
}

/// Records all deliveries in one batch, or behind another that is being recorded.
async fn batch(inbox: &Arc<PostgresInbox>, deliveries: Vec<NewDelivery>) -> Vec<Result<Recorded, StoreErrorKind>> {
    let mut calls = JoinSet::new();
    for (nth, delivery) in std::iter::once(purchase()).chain(deliveries).enumerate() {
        let inbox = Arc::clone(inbox);
        calls.spawn(async move { (nth, inbox.record(delivery).await.map_err(|error| error.kind())) });
    }
    let mut results = calls.join_all().await;
    results.sort_by_key(|(nth, _)| *nth);
    results.into_iter().skip(1).map(|(_, result)| result).collect()
}

/// Opens an inbox in which another transaction has locked a delivery, by a statement.
async fn locked(schema: &TestSchema, lock: &str) -> (Arc<PostgresInbox>, PgConnection, NewDelivery) {
    let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
    let delivery = purchase();
    let id = record(&inbox, delivery.clone()).await;
    let mut other = connection().await;
    raw_sql("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query(schema.sql(lock)).bind(id).execute(&mut other).await.unwrap();
    (inbox, other, delivery)
}

#[tokio::test]
async fn a_lock_fails_one_delivery_and_not_its_batch() {
    for lock in ["SELECT FROM onramp.deliveries WHERE id = $1 FOR UPDATE", "DELETE FROM onramp.deliveries WHERE id = $1"] {
        let schema = TestSchema::new();
        let (inbox, other, held) = locked(&schema, lock).await;
        let known = purchase();
        record(&inbox, known.clone()).await;
        let results = batch(&inbox, vec![purchase(), held.clone(), known, purchase()]).await;
        assert!(matches!(results[0], Ok(Recorded::New(_))), "{lock}: {results:?}");
        assert_eq!(results[1], Err(StoreErrorKind::Unavailable), "{lock}");
        assert!(matches!(results[2], Ok(Recorded::Duplicate { .. })), "{lock}: {results:?}");
        assert!(matches!(results[3], Ok(Recorded::New(_))), "{lock}: {results:?}");
        other.close().await.unwrap();
        inbox.record(held).await.unwrap();
    }
}

/// Another transaction locks the first of two deliveries and then the second, while a batch has them in opposite order. It gives way to
/// the batch at once where both wait for each other. The runtime has one thread, so that calls arrive in the order of their tasks.
#[tokio::test]
async fn a_batch_locks_deliveries_in_the_order_of_their_ids() {
    let schema = TestSchema::new();
    let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
    let (first, second) = (purchase(), purchase());
    let ids = [record(&inbox, first.clone()).await, record(&inbox, second.clone()).await];
    // Moves the first row behind the second in the table.
    inbox.record(first.clone()).await.unwrap();
    let mut other = connection().await;
    raw_sql("BEGIN; SET LOCAL deadlock_timeout = '10ms'").execute(&mut other).await.unwrap();
    let lock = || schema.sql("SELECT FROM onramp.deliveries WHERE id = $1 FOR UPDATE");
    sqlx::query(lock()).bind(ids[0]).execute(&mut other).await.unwrap();
    let recording = tokio::spawn({
        let inbox = Arc::clone(&inbox);
        async move { batch(&inbox, vec![second, first]).await }
    });
    until_something_waits(&schema).await;
    sqlx::query(lock()).bind(ids[1]).execute(&mut other).await.unwrap();
    raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let results = recording.await.unwrap();
    assert!(matches!(results[0], Ok(Recorded::Duplicate { .. })), "{results:?}");
}

/// Waits until a transaction waits for a row of the schema.
async fn until_something_waits(schema: &TestSchema) {
    let mut observer = connection().await;
    let waits = "SELECT EXISTS (SELECT FROM pg_locks tuple JOIN pg_locks waits USING (pid)
        WHERE tuple.relation = to_regclass($1) AND NOT waits.granted)";
    let table = format!("{}.deliveries", schema.name());
    while !sqlx::query_scalar::<_, bool>(waits).bind(&table).fetch_one(&mut observer).await.unwrap() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// A database in which roles have no rights on the schema `public`.
struct Private {
    name: String,
    role: String,
}

impl Private {
    async fn new() -> Self {
        let name = TestSchema::new().name().to_owned();
        let private = Self { role: format!("{name}_role"), name };
        let Self { name, role } = &private;
        raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection().await).await.unwrap();
        let revoke = format!("REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE ROLE {role}");
        raw_sql(AssertSqlSafe(revoke)).execute(&private.connect().await).await.unwrap();
        private
    }

    async fn connect(&self) -> PgPool {
        let options: PgConnectOptions = url().parse().unwrap();
        sqlx::postgres::PgPoolOptions::new().max_connections(2).connect_with(options.database(&self.name)).await.unwrap()
    }

    /// Opens an inbox as the role, with these rights.
    async fn open(&self, rights: &str) -> Result<PostgresInbox, onramp_webhooks::StoreError> {
        let grant = rights.replace("ROLE", &self.role).replace("DB", &self.name);
        raw_sql(AssertSqlSafe(grant)).execute(&self.connect().await).await.unwrap();
        let options: PgConnectOptions = url().parse().unwrap();
        let options = options.database(&self.name).options([("role", &self.role)]);
        PostgresInbox::new(PgPool::connect_with(options).await.unwrap()).await
    }

    async fn drop(self) {
        let mut connection = connection().await;
        for statement in [format!("DROP DATABASE {} WITH (FORCE)", self.name), format!("DROP ROLE {}", self.role)] {
            raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_role_without_rights_works_or_is_told_which_it_needs() {
    let private = Private::new().await;
    let error = private.open("SELECT 1").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::ReadOnly);
    assert!(error.to_string().contains("CREATE SCHEMA onramp AUTHORIZATION"), "{error}");
    let error = private.open("CREATE SCHEMA onramp").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::ReadOnly);
    assert!(error.to_string().contains("GRANT"), "{error}");
    let inbox = private.open("DROP SCHEMA onramp; GRANT CREATE ON DATABASE DB TO ROLE").await.unwrap();
    record(&inbox, purchase()).await;
    drop(inbox);
    private.drop().await;
}

//! Schemas of other versions, and invalid names.

use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks::inbox::{Inbox, QuarantineBound, State};
use onramp_webhooks::purchases::{PurchaseStatus, PurchaseStore};
use onramp_webhooks_postgres::PostgresOptions;
use onramp_webhooks_suite::keys::{begin, claim as request};
use sqlx::raw_sql;

use crate::tools::{TestSchema, claim, connection, handled, now, pool, purchase, record, until};

/// The version of this program.
const KNOWN: i32 = 7;

/// Takes back the last step.
const TAKE_BACK: &str =
    "DROP TABLE onramp.history; DROP FUNCTION onramp.remember CASCADE; DROP FUNCTION onramp.forget_history CASCADE;";

const VERSIONS: &str = "CREATE TABLE onramp.version (version INTEGER PRIMARY KEY, oldest INTEGER NOT NULL);";

#[tokio::test]
async fn a_schema_of_the_first_version_gets_the_rest_and_keeps_what_it_has() {
    let schema = TestSchema::new();
    let mut old = connection().await;
    let first = format!(
        "CREATE SCHEMA {}; {VERSIONS} INSERT INTO onramp.version VALUES (1, 1); {}
         INSERT INTO onramp.deliveries (endpoint, provider, fingerprint, state, received_at)
         VALUES ('wert', 'wert', sha256(''), 0, 0);
         INSERT INTO onramp.bodies VALUES (1, '{{}}');",
        schema.name(),
        include_str!("../../src/db/migrations/0001_deliveries.sql")
    );
    raw_sql(schema.sql(&first)).execute(&mut old).await.unwrap();
    let inbox = schema.open(QuarantineBound::default()).await;
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), 1);
    assert_eq!(record(&inbox, purchase()).await, 2);
    assert_eq!(inbox.idempotency_store().prune(now()).await.unwrap(), 0);
    assert_eq!(inbox.purchases().find(&"A".into()).await.unwrap(), PurchaseStatus::default());
}

/// Migrates a schema as a program of the next version would, which adds a column to every table.
async fn migrate_further(schema: &TestSchema, oldest: i32) {
    let mut next = connection().await;
    let tables = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1").bind(schema.name());
    let tables: Vec<String> = tables.fetch_all(&mut next).await.unwrap();
    let columns = tables.iter().map(|table| format!("ALTER TABLE onramp.{table} ADD COLUMN later_{oldest} TEXT;"));
    let further = format!(
        "{} CREATE TABLE onramp.later_{oldest} (id BIGINT PRIMARY KEY);
         INSERT INTO onramp.version (version, oldest) SELECT max(version) + 1, {oldest} FROM onramp.version",
        columns.collect::<String>()
    );
    raw_sql(schema.sql(&further)).execute(&mut next).await.unwrap();
}

/// Returns the steps that a schema has gone through.
async fn steps(schema: &TestSchema) -> Vec<(i32, i32)> {
    let steps = schema.sql("SELECT version, oldest FROM onramp.version ORDER BY version");
    sqlx::query_as(steps).fetch_all(&mut connection().await).await.unwrap()
}

/// Returns the steps of this version, and then `later`.
fn known_and(later: &[(i32, i32)]) -> Vec<(i32, i32)> {
    (1..=KNOWN).map(|version| (version, 1)).chain(later.iter().copied()).collect()
}

/// As while several machines are updated, and after the update of one was reverted.
#[tokio::test]
async fn a_schema_of_the_next_version_is_used_as_it_is() {
    let schema = TestSchema::new();
    let running = schema.open(QuarantineBound::default()).await;
    record(&running, purchase()).await;
    migrate_further(&schema, KNOWN).await;
    record(&running, purchase()).await;
    let restarted = schema.open(QuarantineBound::default()).await;
    record(&restarted, purchase()).await;
    for inbox in [&restarted, &running, &restarted] {
        handled(inbox, &claim(inbox, 1).await).await;
    }
    assert_eq!(running.counts().await.unwrap().of(State::Handled), 3);
    let keys = restarted.idempotency_store();
    begin(&keys, request("A", 1)).await;
    assert!(keys.release(request("A", 1)).await.unwrap());
    restarted.purchases().release(&"A".into(), now()).await.unwrap();
    restarted.check().await.unwrap();
    assert_eq!(steps(&schema).await, known_and(&[(KNOWN + 1, KNOWN)]));
}

#[tokio::test]
async fn a_schema_for_newer_programs_is_refused_and_stays_as_it_is() {
    let schema = TestSchema::new();
    drop(schema.open(QuarantineBound::default()).await);
    migrate_further(&schema, KNOWN + 1).await;
    refused(&schema).await;
    // What the step before the last one changed stays changed.
    migrate_further(&schema, 1).await;
    refused(&schema).await;
    assert_eq!(steps(&schema).await, known_and(&[(KNOWN + 1, KNOWN + 1), (KNOWN + 2, 1)]));
}

async fn refused(schema: &TestSchema) {
    let error = schema.options().await.open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable);
    let text = error.to_string();
    let expected = format!("a program of version {} or newer, and this one has version {KNOWN}; update", KNOWN + 1);
    assert!(text.contains(&expected), "{text}");
}

/// As an index on many rows would. The trigger lets the last step take until the test ends it. The time of both processes passes.
#[tokio::test]
async fn a_step_takes_as_long_as_it_needs_while_other_processes_wait() {
    let schema = TestSchema::new();
    let mut gate = connection().await;
    let slow = format!(
        "CREATE SCHEMA {0}; {VERSIONS}
         CREATE FUNCTION onramp.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF current_setting('statement_timeout') <> '0' THEN RAISE EXCEPTION 'a limit'; END IF;
             WHILE NOT pg_try_advisory_xact_lock(hashtext('{0}')) LOOP PERFORM pg_sleep(0.01); END LOOP;
             RETURN NEW;
         END $$;
         CREATE TRIGGER slow BEFORE INSERT ON onramp.version FOR EACH ROW WHEN (NEW.version = {KNOWN}) EXECUTE FUNCTION onramp.slow();
         SELECT pg_advisory_lock(hashtext('{0}'))",
        schema.name()
    );
    raw_sql(schema.sql(&slow)).execute(&mut gate).await.unwrap();
    let open = async |schema: &TestSchema| tokio::spawn(schema.options().await.open());
    let (one, other) = (open(&schema).await, open(&schema).await);
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
        AND (classid::bigint << 32) | objid::bigint = hashtextextended('onramp-webhooks/migrate/' || $1, 0))";
    until("one process migrates, and the other waits", async || {
        sqlx::query_scalar(waiting).bind(schema.name()).fetch_one(&mut gate).await.unwrap()
    })
    .await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    tokio::time::resume();
    let is_open = sqlx::query_scalar::<_, bool>("SELECT pg_advisory_unlock(hashtext($1))").bind(schema.name());
    assert!(is_open.fetch_one(&mut gate).await.unwrap());
    for opened in [one, other] {
        record(&opened.await.unwrap().unwrap(), purchase()).await;
    }
    assert_eq!(steps(&schema).await, known_and(&[]));
}

/// A build that failed, as one that was interrupted, leaves an index that no statement uses.
#[tokio::test]
async fn an_index_whose_build_failed_is_not_taken_for_one() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    for _ in 0..2 {
        record(&inbox, purchase()).await;
    }
    let mut operator = connection().await;
    let build = schema.sql("CREATE UNIQUE INDEX CONCURRENTLY deliveries_early ON onramp.deliveries (endpoint)");
    raw_sql(build).execute(&mut operator).await.unwrap_err();
    drop(schema.open(QuarantineBound::default()).await);
    let behind = format!("{TAKE_BACK} DELETE FROM onramp.version WHERE version = {KNOWN}");
    raw_sql(schema.sql(&behind)).execute(&mut operator).await.unwrap();
    let error = schema.options().await.open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable);
    assert!(error.to_string().contains("deliveries_early is not complete"), "{error}");
    assert_eq!(steps(&schema).await, known_and(&[])[..known_and(&[]).len() - 1]);
    raw_sql(schema.sql("DROP INDEX onramp.deliveries_early")).execute(&mut operator).await.unwrap();
    drop(schema.open(QuarantineBound::default()).await);
}

/// As the release note says, so that the migration builds no index while deliveries arrive.
#[tokio::test]
async fn an_index_that_was_built_before_is_used() {
    let schema = TestSchema::new();
    drop(schema.open(QuarantineBound::default()).await);
    let mut operator = connection().await;
    let behind = format!(
        "{TAKE_BACK} ALTER TABLE onramp.deliveries DROP COLUMN resolved_at, DROP COLUMN resolution;
         DELETE FROM onramp.version WHERE version >= 5"
    );
    raw_sql(schema.sql(&behind)).execute(&mut operator).await.unwrap();
    for step in [include_str!("../../src/db/migrations/0005_resolved.sql"), include_str!("../../src/db/migrations/0006_open.sql")]
    {
        let beforehand = step.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY");
        raw_sql(schema.sql(&beforehand)).execute(&mut operator).await.unwrap();
    }
    let inbox = schema.open(QuarantineBound::default()).await;
    assert_eq!(steps(&schema).await, known_and(&[]));
    record(&inbox, purchase()).await;
    assert_eq!(inbox.open_counts().await.unwrap().of(State::Pending), 1);
}

#[tokio::test]
async fn a_delivery_that_an_older_version_settles_after_its_resolution_is_open_again() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    let id = record(&inbox, purchase()).await;
    let mut older = connection().await;
    let dies =
        |at| format!("UPDATE onramp.deliveries SET state = 5, due_at = NULL, waits_at = NULL, settled_at = {at}, cause = 0");
    raw_sql(schema.sql(&dies(1_000))).execute(&mut older).await.unwrap();
    onramp_webhooks_suite::deliveries::an_older_version_reopens(&inbox, id, async || {
        raw_sql(schema.sql(&dies(3_000))).execute(&mut older).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let error = PostgresOptions::new(pool(1).await).schema("x\"; DROP SCHEMA public; --").open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable);
}

/// Everyday work needs no right to make schemas or tables.
#[tokio::test]
async fn a_role_that_may_only_use_the_tables_is_enough() {
    let schema = TestSchema::new();
    drop(schema.open(QuarantineBound::default()).await);
    let pool = pool(1).await;
    let mut transaction = pool.begin().await.unwrap();
    let role = format!("{}_role", schema.name());
    let grant = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA {0} TO {role}; GRANT USAGE ON ALL SEQUENCES IN SCHEMA {0} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {0} TO {role}",
        schema.name()
    );
    raw_sql(sqlx::AssertSqlSafe(grant)).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    raw_sql(sqlx::AssertSqlSafe(format!("SET ROLE {role}"))).execute(&pool).await.unwrap();
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await;
    let recorded = match &inbox {
        Ok(inbox) => Ok(record(inbox, purchase()).await),
        Err(error) => Err(error.to_string()),
    };
    let clean_up = format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}");
    raw_sql(sqlx::AssertSqlSafe(clean_up)).execute(&pool).await.unwrap();
    assert_eq!(recorded, Ok(1));
}

#[tokio::test]
async fn a_schema_that_must_exist_is_not_created() {
    let schema = TestSchema::new();
    let open = async || PostgresOptions::new(pool(2).await).schema(schema.name()).must_exist().open().await;
    assert_eq!(open().await.unwrap_err().kind(), StoreErrorKind::Unusable);
    let exists = sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)").bind(schema.name());
    assert!(!exists.fetch_one(&mut connection().await).await.unwrap());
    schema.open(QuarantineBound::default()).await;
    open().await.unwrap();
}

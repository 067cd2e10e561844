//! Schemas of other versions, and invalid names.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks::inbox::{Inbox, QuarantineBound, State};
use onramp_webhooks::purchases::{PurchaseStatus, PurchaseStore};
use onramp_webhooks_postgres::PostgresOptions;
use sqlx::raw_sql;

use crate::tools::{TestSchema, connection, now, pool, purchase, record};

#[tokio::test]
async fn a_schema_of_the_first_version_gets_the_rest_and_keeps_what_it_has() {
    let schema = TestSchema::new();
    let mut old = connection().await;
    let first = format!(
        "CREATE SCHEMA {}; CREATE TABLE onramp.version (version INTEGER PRIMARY KEY); INSERT INTO onramp.version VALUES (1);
         {}
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

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused_and_stays_as_it_is() {
    let schema = TestSchema::new();
    drop(schema.open(QuarantineBound::default()).await);
    let mut newer = connection().await;
    raw_sql(schema.sql("INSERT INTO onramp.version VALUES (1000)")).execute(&mut newer).await.unwrap();
    let error = PostgresOptions::new(pool(2).await).schema(schema.name()).open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable);
    assert!(error.to_string().contains("version 1000"), "{error}");
    let versions: i64 =
        sqlx::query_scalar(schema.sql("SELECT count(*) FROM onramp.version")).fetch_one(&mut newer).await.unwrap();
    assert_eq!(versions, 4);
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

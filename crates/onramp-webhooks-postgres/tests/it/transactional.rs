//! Transactional handlers.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::{QuarantineBound, TransactionalInbox};
use onramp_webhooks::{HandlerError, async_trait};
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions, PostgresTransaction};
use onramp_webhooks_testkit::transactional::{Fixture, Ledger};
use sqlx::{Connection, raw_sql};

use crate::tools::{TestSchema, assert_idle, claim, connection, now, pool, purchase, record};

pub(crate) struct Shop {
    inbox: Arc<PostgresInbox>,
    schema: TestSchema,
}

impl Shop {
    pub(crate) async fn new(inbox: Arc<PostgresInbox>, schema: TestSchema) -> Self {
        let table = schema.sql("CREATE TABLE onramp.ledger (cents BIGINT NOT NULL)");
        raw_sql(table).execute(&mut connection().await).await.unwrap();
        Self { inbox, schema }
    }
}

#[async_trait]
impl Ledger for Shop {
    type Inbox = PostgresInbox;

    fn inbox(&self) -> Arc<PostgresInbox> {
        Arc::clone(&self.inbox)
    }

    async fn credit(&self, transaction: &mut PostgresTransaction, cents: i64) -> Result<(), HandlerError> {
        let credit = self.schema.sql("INSERT INTO onramp.ledger VALUES ($1)");
        sqlx::query(credit).bind(cents).persistent(false).execute(&mut **transaction).await?;
        Ok(())
    }

    async fn fail(&self, transaction: &mut PostgresTransaction) -> Result<(), HandlerError> {
        let fail = self.schema.sql("INSERT INTO onramp.ledger VALUES (NULL)");
        sqlx::query(fail).persistent(false).execute(&mut **transaction).await?;
        Ok(())
    }

    async fn end(&self, transaction: &mut PostgresTransaction) -> Result<(), HandlerError> {
        raw_sql("COMMIT").execute(&mut **transaction).await?;
        Ok(())
    }

    async fn total(&self) -> i64 {
        let total = self.schema.sql("SELECT coalesce(sum(cents), 0)::bigint FROM onramp.ledger");
        sqlx::query_scalar(total).fetch_one(&mut connection().await).await.unwrap()
    }
}

async fn shop() -> Shop {
    let schema = TestSchema::new();
    let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
    Shop::new(inbox, schema).await
}

async fn open() -> Fixture {
    Fixture::new(shop().await)
}

onramp_webhooks_testkit::transactional_suite!(open);

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_nested_transaction_is_a_savepoint() {
    let shop = shop().await;
    record(&shop.inbox, purchase()).await;
    let lease = claim(&shop.inbox, 1).await[0].lease;
    let mut open = shop.inbox.begin(LIMIT).await.unwrap();
    for (cents, keep) in [(1, true), (20, false)] {
        let mut nested = open.begin().await.unwrap();
        sqlx::query(shop.schema.sql("INSERT INTO onramp.ledger VALUES ($1)")).bind(cents).execute(&mut *nested).await.unwrap();
        if keep {
            nested.commit().await.unwrap();
        }
        assert_eq!(shop.total().await, 0, "the end of a savepoint commits nothing");
    }
    assert!(shop.inbox.complete(open, now(), lease).await.unwrap());
    assert_eq!(shop.total().await, 1);
}

#[tokio::test]
async fn handlers_leave_connections_to_those_who_record() {
    let schema = TestSchema::new();
    let inbox = PostgresOptions::new(pool(4).await).schema(schema.name()).open().await.unwrap();
    let _held = inbox.begin(LIMIT).await.unwrap();
    let second = tokio::time::timeout(Duration::from_millis(300), inbox.begin(LIMIT)).await;
    assert!(second.is_err(), "four connections have room for one handler");
    tokio::time::timeout(Duration::from_secs(4), record(&inbox, purchase())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_cut_off_leaves_nothing_open() {
    let schema = TestSchema::new();
    let pool = pool(1).await;
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await.unwrap();
    let mut observer = connection().await;
    for micros in (0..4_000).step_by(80) {
        let begun = tokio::time::timeout(Duration::from_micros(micros), async {
            let mut open = inbox.begin(LIMIT).await.unwrap();
            raw_sql("SELECT pg_sleep(0.001)").execute(&mut *open).await.unwrap();
        });
        let _ = begun.await;
        assert_idle(&pool, &mut observer).await;
    }
}

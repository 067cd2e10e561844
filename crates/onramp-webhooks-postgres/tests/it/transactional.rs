//! Handlers that write through the inbox's transactions.

use std::sync::Arc;

use onramp_webhooks::inbox::QuarantineBound;
use onramp_webhooks::{HandlerError, async_trait};
use onramp_webhooks_postgres::{PostgresInbox, PostgresTransaction};
use onramp_webhooks_testkit::transactional::{Fixture, Ledger};
use sqlx::raw_sql;

use crate::tools::{TestSchema, connection};

struct Shop {
    inbox: Arc<PostgresInbox>,
    schema: Arc<TestSchema>,
}

#[async_trait]
impl Ledger for Shop {
    type Inbox = PostgresInbox;

    fn inbox(&self) -> Arc<PostgresInbox> {
        Arc::clone(&self.inbox)
    }

    async fn credit(&self, transaction: &mut PostgresTransaction, cents: i64) -> Result<(), HandlerError> {
        let credit = self.schema.sql("INSERT INTO onramp.ledger VALUES ($1)");
        sqlx::query(credit).bind(cents).execute(&mut **transaction).await?;
        Ok(())
    }

    async fn fail(&self, transaction: &mut PostgresTransaction) -> Result<(), HandlerError> {
        let fail = self.schema.sql("INSERT INTO onramp.ledger VALUES (NULL)");
        sqlx::query(fail).execute(&mut **transaction).await?;
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

async fn open() -> Fixture {
    let schema = Arc::new(TestSchema::new());
    let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
    let table = schema.sql("CREATE TABLE onramp.ledger (cents BIGINT NOT NULL)");
    raw_sql(table).execute(&mut connection().await).await.unwrap();
    Fixture::new(Shop { inbox, schema: Arc::clone(&schema) }).keeping(schema)
}

onramp_webhooks_testkit::transactional_suite!(open);

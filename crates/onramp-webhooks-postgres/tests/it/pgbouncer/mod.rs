//! The stores behind a PgBouncer in front of the server.

mod others;
mod suites;

use std::time::Duration;

use onramp_webhooks::inbox::QuarantineBound;
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use onramp_webhooks_services::{PgBouncer, PgBouncerOptions};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::tools::{TestSchema, url};

/// A schema that is reached over a pooler.
struct Pooled {
    schema: TestSchema,
    pooler: PgBouncer,
}

impl Pooled {
    fn new(pooler: PgBouncerOptions) -> Self {
        Self { schema: TestSchema::new(), pooler: pooler.start(&url()).unwrap() }
    }

    async fn pool(&self) -> PgPool {
        pool(&self.pooler).await
    }

    async fn options(&self) -> PostgresOptions {
        PostgresOptions::new(self.pool().await).schema(self.schema.name())
    }

    async fn open(&self, bound: QuarantineBound) -> PostgresInbox {
        self.options().await.quarantine(bound).open().await.unwrap()
    }
}

/// Connects a pool, as an application does that knows of the pooler.
async fn pool(pooler: &PgBouncer) -> PgPool {
    let options: PgConnectOptions = pooler.url().parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(20));
    pool.connect_with(options.extra_float_digits(None)).await.unwrap()
}

//! Temporary schemas for tests, and connections to their server.

use std::time::Duration;

use onramp_webhooks::inbox::QuarantineBound;
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::names::unique_name;

/// Returns the server's URL: `DATABASE_URL` if it is a PostgreSQL URL, and otherwise the default address.
#[must_use]
pub fn url() -> String {
    let url = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"));
    url.unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".into())
}

/// A temporary schema for one test, which is dropped with this value.
#[derive(Debug)]
pub struct TestSchema(String);

impl Default for TestSchema {
    fn default() -> Self {
        Self::new()
    }
}

impl TestSchema {
    /// Chooses a unique name without creating the schema.
    #[must_use]
    pub fn new() -> Self {
        Self(unique_name())
    }

    /// Returns the schema's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Returns options for stores in this schema, with a separate pool as on another machine.
    pub async fn options(&self) -> PostgresOptions {
        PostgresOptions::new(pool(4).await).schema(&self.0)
    }

    /// Opens an inbox with a separate pool.
    pub async fn open(&self, bound: QuarantineBound) -> PostgresInbox {
        self.options().await.quarantine(bound).open().await.unwrap()
    }

    /// Rewrites a statement for the schema `onramp` to this schema.
    #[must_use]
    pub fn sql(&self, statement: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(statement.replace("onramp.", &format!("{}.", self.0)))
    }
}

impl Drop for TestSchema {
    fn drop(&mut self) {
        let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {} CASCADE", self.0));
        // The test's runtime may be dropping this value, and cannot block on another future.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = connection().await;
                sqlx::raw_sql("SET lock_timeout = '10s'").execute(&mut connection).await.unwrap();
                sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
            });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("{} was not dropped", self.0);
        }
    }
}

/// Connects a pool with a maximum number of connections.
pub async fn pool(connections: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(20));
    options.connect(&url()).await.unwrap()
}

/// Opens a connection outside of all stores.
pub async fn connection() -> PgConnection {
    PgConnection::connect(&url()).await.unwrap()
}

//! Temporary schemas for tests, and connections to their server.

use std::time::Duration;

use onramp_webhooks::inbox::QuarantineBound;
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::clean_up::clean_up;
use crate::names::unique_name;

/// Returns the server's URL: `DATABASE_URL` if it is a PostgreSQL URL, and otherwise the default address.
#[must_use]
pub fn url() -> String {
    let url = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"));
    url.unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable".into())
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
        clean_up(&self.0, async {
            let mut connection = connection().await;
            sqlx::raw_sql("SET lock_timeout = '10s'").execute(&mut connection).await.unwrap();
            sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
        });
    }
}

/// Connects a pool with a maximum number of connections.
pub async fn pool(connections: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(20));
    options.connect(&url()).await.unwrap()
}

/// Connects a pool of one connection, for which a parameter of the server has this value.
pub async fn pool_with(parameter: &str, value: &str) -> PgPool {
    let options: PgConnectOptions = url().parse().unwrap();
    PgPoolOptions::new().max_connections(1).connect_with(options.options([(parameter, value)])).await.unwrap()
}

/// Asserts that a pool of one connection got it back outside of any transaction.
pub async fn assert_idle(pool: &PgPool, observer: &mut PgConnection) {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(pool).await.unwrap();
    let state = sqlx::query_scalar("SELECT state FROM pg_stat_activity WHERE pid = $1").bind(backend);
    let state: String = state.fetch_one(observer).await.unwrap();
    assert_eq!(state, "idle");
}

/// Opens a connection outside of all stores.
pub async fn connection() -> PgConnection {
    PgConnection::connect(&url()).await.unwrap()
}

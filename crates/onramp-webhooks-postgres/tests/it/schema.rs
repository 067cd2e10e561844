//! A schema of its own for each test, and connections to it. The matrix uses this file, too.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use onramp_webhooks_postgres::PostgresOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// Where the server is.
pub(crate) fn url() -> String {
    let url = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"));
    url.unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".into())
}

/// A schema of its own for every test, which is dropped after it.
pub(crate) struct TestSchema(pub(crate) String);

impl TestSchema {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
        Self(format!("onramp_test_{time}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// How to open what is in it, with a pool of its own, as on a machine of its own.
    pub(crate) async fn options(&self) -> PostgresOptions {
        PostgresOptions::new(pool(4).await).schema(&self.0)
    }
}

impl Drop for TestSchema {
    fn drop(&mut self) {
        let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {} CASCADE", self.0));
        // The test's own runtime may be the one that drops this.
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

pub(crate) async fn pool(connections: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(20));
    options.connect(&url()).await.unwrap()
}

/// A connection beside every inbox.
pub(crate) async fn connection() -> PgConnection {
    PgConnection::connect(&url()).await.unwrap()
}

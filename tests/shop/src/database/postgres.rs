//! Databases on a PostgreSQL server.

use std::sync::Arc;

use onramp_webhooks_suite::names::unique_name;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, raw_sql};

/// A temporary database for one test. Dropping the last clone of this value drops the database.
#[derive(Clone, Debug)]
pub(crate) struct OwnDatabase(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    server: String,
    name: String,
}

impl OwnDatabase {
    pub(crate) fn on(server: String) -> Self {
        let name = unique_name();
        blocking(execute(options(&server), format!("CREATE DATABASE {name}"))).unwrap();
        Self(Arc::new(Owned { server, name }))
    }

    pub(crate) fn url(&self) -> String {
        self.0.options().to_url_lossy().to_string()
    }

    /// Returns the rows of a query whose columns are texts.
    pub(super) fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let rows = async {
            let mut connection = self.connect().await;
            let rows = raw_sql(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap();
            let row = |row: &sqlx::postgres::PgRow| (0..row.len()).map(|column| row.get(column)).collect();
            rows.iter().map(row).collect()
        };
        blocking(rows)
    }

    pub(super) fn execute(&self, statements: &str) {
        blocking(execute(self.0.options(), statements.to_owned())).unwrap();
    }

    /// Opens a separate connection.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&self.0.options()).await.unwrap()
    }
}

impl Owned {
    fn options(&self) -> PgConnectOptions {
        options(&self.server).database(&self.name)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // A dedicated server may already be gone with all its databases.
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = blocking(execute(options(&self.server), drop));
    }
}

fn options(server: &str) -> PgConnectOptions {
    server.parse().unwrap()
}

async fn execute(options: PgConnectOptions, statements: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect_with(&options).await?;
    raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
    connection.close().await
}

/// Runs a short future, independent of the runtime of this thread.
fn blocking<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

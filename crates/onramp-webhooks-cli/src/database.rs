//! Opening the inbox that a database URL names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks_postgres::PostgresOptions;
use onramp_webhooks_sqlite::SqliteOptions;
use sqlx::postgres::PgPoolOptions;

use crate::exit::CliError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_CONNECTIONS: u32 = 3;

/// Opens the inbox at `url`. Creates and migrates nothing: a new, empty inbox would report every order as missing.
pub(crate) async fn open(url: &str, schema: &str) -> Result<Arc<dyn Inbox>, CliError> {
    let failed = |error: &dyn std::error::Error| CliError::with_source("opening the database", error);
    if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        if !Path::new(path).is_file() {
            return Err(CliError::Failed(format!("opening the database: there is no file {path:?}")));
        }
        return Ok(Arc::new(SqliteOptions::new(path).must_exist().open().await.map_err(|error| failed(&error))?));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
        // The error of sqlx may contain a part of the URL, such as the password.
        let options = url.parse().map_err(|_| CliError::Usage("--database-url: not a PostgreSQL URL".to_owned()))?;
        let pool = pool.connect_with(options).await.map_err(|error| failed(&error))?;
        return Ok(Arc::new(
            PostgresOptions::new(pool).schema(schema).must_exist().open().await.map_err(|error| failed(&error))?,
        ));
    }
    Err(CliError::Usage("--database-url: must begin with sqlite:// or postgres://".to_owned()))
}

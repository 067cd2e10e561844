//! The inbox that an address names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks_postgres::PostgresOptions;
use onramp_webhooks_sqlite::SqliteInbox;
use sqlx::postgres::PgPoolOptions;

use crate::outcome::Failure;

const CONNECT: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 3;

/// Opens the inbox at `url`. A file that is not there is an error: in an empty inbox, everything would be missing.
pub(crate) async fn open(url: &str, schema: &str) -> Result<Arc<dyn Inbox>, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::because("opening the database", error);
    if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        if !Path::new(path).is_file() {
            return Err(Failure::Error(format!("opening the database: there is no file {path:?}")));
        }
        return Ok(Arc::new(SqliteInbox::open(path).await.map_err(|error| failed(&error))?));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT);
        // What sqlx says of an address that it cannot read may have a part of it, such as the password.
        let options = url.parse().map_err(|_| Failure::Misuse("--database-url: not an address of PostgreSQL".to_owned()))?;
        let pool = pool.connect_with(options).await.map_err(|error| failed(&error))?;
        return Ok(Arc::new(PostgresOptions::new(pool).schema(schema).open().await.map_err(|error| failed(&error))?));
    }
    Err(Failure::Misuse("--database-url: has to begin with sqlite:// or postgres://".to_owned()))
}

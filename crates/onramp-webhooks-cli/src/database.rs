//! Opening the inbox that a database URL names.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks::purchases::PurchaseStore;
use onramp_webhooks::{Inbox, StoreError};
use onramp_webhooks_postgres::PostgresOptions;
use onramp_webhooks_sqlite::{SqliteInbox, SqliteOptions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, Error, PgConnection};
use tokio::time::timeout;

use crate::exit::CliError;

/// Timeout of a connection to a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of connections of a command that looks at an inbox.
const FEW_CONNECTIONS: u32 = 3;

/// The forms of addresses, for errors.
const FORMS: &str = "use an address such as sqlite://shop.db or postgres://user:password@host/database";

/// The address of an inbox.
#[derive(Clone)]
pub(crate) enum Address {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    /// Parses the addresses that the shops take: `sqlite://FILE`, `sqlite:FILE`, each with a query that is ignored, and those of
    /// PostgreSQL. Errors contain no part of the address, which may contain a password.
    pub(crate) fn parse(url: &str) -> Result<Self, CliError> {
        let invalid = |reason: &str| CliError::Usage(format!("--database-url: {reason}")).hint(FORMS);
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = url.parse().map_err(|_| invalid("not a PostgreSQL URL"))?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        let file = url.strip_prefix("sqlite:").ok_or_else(|| invalid("must begin with sqlite:// or postgres://"))?;
        let file = file.strip_prefix("//").unwrap_or(file);
        let file = file.split_once('?').map_or(file, |(file, _)| file);
        if file.is_empty() || file.starts_with(':') {
            return Err(invalid("contains no file name"));
        }
        Ok(Self::Sqlite(file.into()))
    }

    /// Opens an inbox that exists. Creates and migrates nothing: a new, empty inbox would hide a mistyped address.
    pub(crate) async fn open(&self, schema: &str) -> Result<Arc<dyn Inbox>, CliError> {
        Ok(self.open_with_purchases(schema).await?.0)
    }

    /// Opens an inbox that exists for a command that only reads. The database may be one that cannot be written.
    pub(crate) async fn open_for_reading(&self, schema: &str) -> Result<Arc<dyn Inbox>, CliError> {
        match self {
            Self::Sqlite(file) if file.is_file() => {
                Ok(Arc::new(SqliteOptions::new(file).must_exist().open_reader().await.map_err(failed)?))
            }
            _ => self.open(schema).await,
        }
    }

    /// Opens an inbox that exists, and its store of purchases.
    pub(crate) async fn open_with_purchases(&self, schema: &str) -> Result<(Arc<dyn Inbox>, Arc<dyn PurchaseStore>), CliError> {
        match self {
            Self::Sqlite(file) if !file.is_file() => {
                let missing = CliError::Failed(format!("opening the database: there is no file {file:?}"));
                Err(missing.hint("check --database-url and DATABASE_URL; a relative path begins in the current folder"))
            }
            Self::Sqlite(file) => {
                let inbox = SqliteOptions::new(file).must_exist().open().await.map_err(failed)?;
                let purchases = Arc::new(inbox.purchases());
                Ok((Arc::new(inbox), purchases))
            }
            Self::Postgres(options) => {
                let options = PostgresOptions::new(pool(options, FEW_CONNECTIONS).await?).schema(schema).must_exist();
                let inbox = options.open().await.map_err(failed)?;
                let purchases = Arc::new(inbox.purchases());
                Ok((Arc::new(inbox), purchases))
            }
        }
    }
}

/// An inbox that a command receives into.
pub(crate) struct Store {
    pub(crate) inbox: Arc<dyn Inbox>,
    /// `true` if no other program can have received into it.
    pub(crate) is_own: bool,
    sqlite: Option<SqliteInbox>,
}

impl Store {
    /// Creates an inbox in memory.
    pub(crate) fn in_memory() -> Self {
        Self { inbox: Arc::new(MemoryInbox::new()), is_own: true, sqlite: None }
    }

    /// Closes the inbox. Afterwards, an SQLite file is complete without the files beside it.
    pub(crate) async fn close(&self) -> Result<(), CliError> {
        let Some(sqlite) = &self.sqlite else { return Ok(()) };
        sqlite.close().await.map_err(|error| CliError::with_source("closing the database", &error))
    }
}

impl Address {
    /// Opens an inbox, and creates it if it is missing. One that exists is migrated only if it is the default one, because any other may
    /// belong to another program.
    pub(crate) async fn create(&self, schema: &str, connections: u32, is_default: bool) -> Result<Store, CliError> {
        match self {
            Self::Sqlite(file) => {
                let is_own = is_default || std::fs::metadata(file).map_or(true, |file| file.len() == 0);
                let options = SqliteOptions::new(file);
                let sqlite = if is_own { options } else { options.must_exist() }.open().await.map_err(failed)?;
                Ok(Store { inbox: Arc::new(sqlite.clone()), is_own, sqlite: Some(sqlite) })
            }
            Self::Postgres(options) => {
                let pool = pool(options, connections).await?;
                let is_own = has_no_inbox(&pool, schema).await?;
                let options = PostgresOptions::new(pool).schema(schema);
                let inbox = if is_own { options } else { options.must_exist() }.open().await.map_err(failed)?;
                Ok(Store { inbox: Arc::new(inbox), is_own, sqlite: None })
            }
        }
    }
}

/// Leaves out user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite://{}", file.display()),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

fn failed(error: StoreError) -> CliError {
    CliError::with_source("opening the database", &error)
}

async fn pool(options: &PgConnectOptions, connections: u32) -> Result<PgPool, CliError> {
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_TIMEOUT);
    let error = match pool.connect_with(options.clone()).await {
        Ok(pool) => return Ok(pool),
        // The pool has tried several times, and does not say why it failed.
        Err(Error::PoolTimedOut) => match timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
            Ok(Err(cause)) => cause,
            _ => Error::PoolTimedOut,
        },
        Err(error) => error,
    };
    Err(CliError::with_source("opening the database", &error))
}

/// Returns whether a schema is missing, or has no inbox yet.
async fn has_no_inbox(pool: &PgPool, schema: &str) -> Result<bool, CliError> {
    let tables = "SELECT to_regclass(quote_ident($1) || '.version') IS NULL";
    let is_missing = sqlx::query_scalar(tables).bind(schema).persistent(false).fetch_one(pool).await;
    is_missing.map_err(|error| CliError::with_source("opening the database", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_shops_names_the_file() {
        for (url, file) in [
            ("sqlite://shop.db", "shop.db"),
            ("sqlite:shop.db", "shop.db"),
            ("sqlite://data/shop.db?mode=rwc", "data/shop.db"),
            ("sqlite:///var/lib/shop.db", "/var/lib/shop.db"),
            ("sqlite:/var/lib/shop.db", "/var/lib/shop.db"),
        ] {
            let Ok(Address::Sqlite(found)) = Address::parse(url) else { panic!("{url} is a file") };
            assert_eq!(found, PathBuf::from(file), "{url}");
        }
        for url in ["postgres://me@db/shop", "postgresql://me:hush@db:6432/shop?sslmode=require"] {
            assert!(matches!(Address::parse(url), Ok(Address::Postgres(_))), "{url}");
        }
    }

    #[test]
    fn other_addresses_are_errors_that_do_not_repeat_them() {
        for url in [
            "",
            "shop-hush.db",
            "mysql://me:hush@db/shop",
            "postgres://me:hush@[/shop",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://?mode=hush",
        ] {
            let Err(error) = Address::parse(url) else { panic!("{url} is no address") };
            assert_eq!(error.exit_status(), crate::ExitStatus::Usage);
            assert!(!error.to_string().contains("hush") && error.next_step().is_some(), "{error}");
        }
    }
}

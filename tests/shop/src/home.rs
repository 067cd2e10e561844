//! The folder and the database of a shop.

use std::path::{Path, PathBuf};

use sqlx::{PgConnection, raw_sql};
use tempfile::TempDir;

use crate::database::{Database, OwnDatabase};
use crate::launch::Launch;
use crate::shop::ShopProcess;

/// A shop's binary, and the kind of its database.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Subject {
    binary: &'static str,
    store: Store,
}

#[derive(Clone, Copy, Debug)]
enum Store {
    Sqlite,
    Postgres,
}

impl Subject {
    /// Uses the shop at `binary` with an SQLite file.
    pub const fn on_sqlite(binary: &'static str) -> Self {
        Self { binary, store: Store::Sqlite }
    }

    /// Uses the shop at `binary` with a new database on a PostgreSQL server.
    pub const fn on_postgres(binary: &'static str) -> Self {
        Self { binary, store: Store::Postgres }
    }

    pub(crate) const fn is_on_postgres(self) -> bool {
        matches!(self.store, Store::Postgres)
    }

    /// Returns the path of the binary.
    #[must_use]
    pub fn binary(&self) -> &'static Path {
        Path::new(self.binary)
    }
}

/// A folder with a shop's files, and the shop's database. Both are removed when this value is dropped.
#[derive(Debug)]
pub struct Home {
    binary: &'static Path,
    outer: TempDir,
    /// The name of the shop's folder in the outer one.
    folder: &'static str,
    postgres: Option<OwnDatabase>,
}

impl Home {
    /// Creates an empty home.
    #[must_use]
    pub fn of(subject: Subject) -> Self {
        match subject.store {
            Store::Sqlite => Self::new(subject, None),
            Store::Postgres => Self::on_server(subject, onramp_webhooks_suite::postgres::url()),
        }
    }

    /// Creates an empty home, and starts a shop in it.
    pub async fn started(subject: Subject) -> (Self, ShopProcess) {
        let home = Self::of(subject);
        let shop = home.start().await;
        (home, shop)
    }

    /// Creates an empty home with a database on the PostgreSQL server at `url`.
    #[must_use]
    pub fn on_server(subject: Subject, url: String) -> Self {
        Self::new(subject, Some(OwnDatabase::on(url)))
    }

    fn new(subject: Subject, postgres: Option<OwnDatabase>) -> Self {
        let home = Self { binary: subject.binary(), outer: tempfile::tempdir().unwrap(), folder: "data", postgres };
        std::fs::create_dir(home.folder()).unwrap();
        home
    }

    /// Returns the folder that contains the shop's folder, for files that the shop must not see.
    #[must_use]
    pub fn outer(&self) -> &Path {
        self.outer.path()
    }

    /// Returns the folder of the shop's files.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.outer.path().join(self.folder)
    }

    /// Returns the path of the database file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder().join("shop.db")
    }

    /// Returns the shop's `DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        self.postgres.as_ref().map_or_else(|| format!("sqlite://{}", self.file().display()), OwnDatabase::url)
    }

    /// Opens the database.
    #[must_use]
    pub fn database(&self) -> Database {
        self.postgres.as_ref().map_or_else(|| Database::file(&self.file()), Database::postgres)
    }

    /// Moves the database file alone to another folder, as an operator does while no shop runs.
    pub(crate) fn move_file(&mut self) {
        let old = self.file();
        self.folder = "moved";
        std::fs::create_dir(self.folder()).unwrap();
        std::fs::rename(old, self.file()).unwrap();
    }

    /// Creates an empty database on another server, and returns the old one.
    pub(crate) fn move_to_server(&mut self, url: String) -> Option<OwnDatabase> {
        self.postgres.replace(OwnDatabase::on(url))
    }

    /// Locks the points against writes until the returned connection is dropped.
    ///
    /// # Panics
    /// If the database is a file.
    pub async fn lock_points(&self) -> PgConnection {
        let mut connection = self.postgres.as_ref().expect("a server").connect().await;
        raw_sql("BEGIN; LOCK TABLE points IN SHARE ROW EXCLUSIVE MODE").execute(&mut connection).await.unwrap();
        connection
    }

    /// Configures a shop with a free port, this home's database, and an allow-list for Kriptomat that contains this machine.
    #[must_use]
    pub fn launch(&self) -> Launch {
        self.launch_binary(self.binary)
    }

    /// Configures a shop as [`launch`](Self::launch) does, but with another copy of the binary.
    #[must_use]
    pub fn launch_binary(&self, binary: &Path) -> Launch {
        Launch::new(binary).env("LISTEN", "127.0.0.1:0").env("DATABASE_URL", &self.url()).env("KRIPTOMAT_ALLOW", "127.0.0.1")
    }

    /// Starts a shop, and waits until it listens.
    pub async fn start(&self) -> ShopProcess {
        self.launch().start().await
    }
}

//! Where a shop lives during a test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::database::Database;
use crate::launch::Launch;
use crate::shop::ShopProcess;

/// A folder with a shop's database file, and how shops are started in it. The folder goes with this value.
#[derive(Debug)]
pub struct Home {
    binary: PathBuf,
    outer: TempDir,
}

impl Home {
    /// An empty folder for shops of `binary`.
    #[must_use]
    pub fn of(binary: impl AsRef<OsStr>) -> Self {
        let home = Self { binary: PathBuf::from(binary.as_ref()), outer: tempfile::tempdir().unwrap() };
        std::fs::create_dir(home.folder()).unwrap();
        home
    }

    /// A folder around the shop's, for what the shop must not see.
    #[must_use]
    pub fn outer(&self) -> &Path {
        self.outer.path()
    }

    /// The folder of the database file.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.outer.path().join("data")
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder().join("shop.db")
    }

    /// What is in the database file.
    #[must_use]
    pub fn database(&self) -> Database {
        Database::open(&self.file())
    }

    /// A shop of this home: any free port, this home's file, and Kriptomat allowed from here.
    #[must_use]
    pub fn launch(&self) -> Launch {
        self.launch_binary(&self.binary)
    }

    /// The same, of another copy of the binary.
    #[must_use]
    pub fn launch_binary(&self, binary: &Path) -> Launch {
        Launch::new(binary)
            .env("LISTEN", "127.0.0.1:0")
            .env("DATABASE_URL", &format!("sqlite://{}", self.file().display()))
            .env("KRIPTOMAT_ALLOW", "127.0.0.1")
    }

    /// Starts a shop, and waits until it listens.
    pub async fn start(&self) -> ShopProcess {
        self.launch().start().await
    }
}

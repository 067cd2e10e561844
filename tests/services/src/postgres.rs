//! A throw-away PostgreSQL server.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::server::{Recipe, Server, end, folder, run_as};
use crate::user::{User, instead_of_root};
use crate::{ServiceError, binaries};

/// Options of a throw-away PostgreSQL server.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    settings: Vec<String>,
    parent: Option<PathBuf>,
}

/// A PostgreSQL server of this value's own: any user named `postgres` on this machine may do everything, and every commit is synced.
///
/// It ends when this is dropped. As root, it runs as user `postgres` or `nobody`, because it refuses to run as root.
#[derive(Debug)]
pub struct Postgres(Server<PostgresRecipe>);

impl PostgresOptions {
    /// The server's own settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest number of connections; the default is 100.
    #[must_use]
    pub fn max_connections(self, connections: u16) -> Self {
        self.setting("max_connections", connections)
    }

    /// Sets what `postgresql.conf` would set.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// Keeps its data in a new folder below this one, such as one on a small disk; the system's folder for temporary files otherwise.
    #[must_use]
    pub fn folder(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Makes a database and serves it, within one or two seconds.
    ///
    /// # Errors
    /// [`ServiceError::NotInstalled`] where no PostgreSQL is installed; others if it cannot be run.
    pub fn start(self) -> Result<Postgres, ServiceError> {
        let binaries = binaries::postgres()?;
        let user = instead_of_root()?;
        let folder = folder(self.parent.as_deref(), user)?;
        let recipe = PostgresRecipe { binaries, settings: self.settings, user };
        recipe.make_database(folder.path())?;
        Server::start(recipe, folder).map(Postgres)
    }
}

impl Postgres {
    /// [`PostgresOptions::start`] without options.
    ///
    /// # Errors
    /// As there.
    pub fn start() -> Result<Self, ServiceError> {
        PostgresOptions::new().start()
    }

    /// Returns the URL, `postgres://postgres@127.0.0.1:PORT/postgres`, valid as long as this value lives.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.0.port())
    }

    /// Ends all connections, writes everything down and stops.
    ///
    /// # Errors
    /// If it cannot be reached by a signal.
    pub fn stop_fast(&mut self) -> Result<(), ServiceError> {
        self.0.stop(Signal::INT)
    }

    /// Stops as in a crash: whatever was not synced is gone, and the next start recovers.
    ///
    /// # Errors
    /// If it cannot be reached by a signal.
    pub fn stop_immediate(&mut self) -> Result<(), ServiceError> {
        self.0.stop(Signal::QUIT)
    }

    /// Serves the same database at the same URL again; nothing happens if it runs.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&mut self) -> Result<(), ServiceError> {
        self.0.start_again()
    }

    /// [`stop_fast`](Self::stop_fast) and [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// As theirs.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        self.stop_fast()?;
        self.start_again()
    }

    /// Stops all its processes where they are: connections stay open, and nothing is answered until [`thaw`](Self::thaw).
    ///
    /// # Errors
    /// If it cannot be reached by a signal.
    pub fn freeze(&self) -> Result<(), ServiceError> {
        self.0.freeze()
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// If it cannot be reached by a signal.
    pub fn thaw(&self) -> Result<(), ServiceError> {
        self.0.thaw()
    }
}

#[derive(Debug)]
struct PostgresRecipe {
    binaries: PathBuf,
    settings: Vec<String>,
    user: Option<User>,
}

impl PostgresRecipe {
    fn make_database(&self, folder: &Path) -> Result<(), ServiceError> {
        let mut command = self.program("initdb");
        command.arg("--pgdata").arg(folder.join("data"));
        command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        run_as(&mut command, self.user);
        let output = command.current_dir(folder).stdin(Stdio::null()).output().map_err(ServiceError::io("running initdb"))?;
        if output.status.success() {
            return Ok(());
        }
        let log = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Err(ServiceError::DidNotStart { name: "initdb", log: end(&log) })
    }

    /// A program that knows nothing of our own surroundings.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        let ours = std::env::vars_os().map(|(name, _)| name);
        let confusing = ours.filter(|name| name.to_str().is_some_and(|name| name.starts_with("PG") || name.starts_with("LC_")));
        for name in confusing {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C");
        command
    }
}

impl Recipe for PostgresRecipe {
    const NAME: &'static str = "PostgreSQL";
    const KILL: (Signal, &'static str) = (Signal::QUIT, "QUIT");

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = self.program("postgres");
        command.arg("-D").arg(folder.join("data"));
        let own = ["listen_addresses=127.0.0.1".to_owned(), format!("port={port}"), "shared_buffers=32MB".to_owned()];
        let socket = format!("unix_socket_directories={}", folder.display());
        for setting in own.iter().chain([&socket]).chain(&self.settings) {
            command.args(["-c", setting]);
        }
        command
    }

    fn is_ready(&self, folder: &Path, process: u32) -> bool {
        let status = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        let mut lines = status.lines();
        lines.next() == Some(&*process.to_string()) && lines.nth(6).is_some_and(|status| status.trim() == "ready")
    }

    fn user(&self) -> Option<User> {
        self.user
    }
}

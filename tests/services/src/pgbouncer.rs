//! A temporary PgBouncer in front of a PostgreSQL server.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::address::Url;
use crate::server::{Recipe, Server, folder};
use crate::user::{User, give, instead_of_root};
use crate::{ServiceError, binaries};

/// The file with the settings, in the server's folder.
const SETTINGS: &str = "pgbouncer.ini";

/// Options of a temporary PgBouncer.
#[derive(Clone, Debug)]
pub struct PgBouncerOptions {
    mode: &'static str,
    settings: Vec<String>,
}

/// A temporary PgBouncer. Any client on this machine may connect, as the user of the server behind it. It is stopped when this value is
/// dropped.
#[derive(Debug)]
pub struct PgBouncer {
    server: Server<PgBouncerRecipe>,
    database: String,
}

impl PgBouncerOptions {
    /// Returns options for a pooler that gives a client a connection for each transaction.
    #[must_use]
    pub fn transaction_mode() -> Self {
        Self { mode: "transaction", settings: Vec::new() }
    }

    /// Returns options for a pooler that gives a client a connection for as long as it is connected.
    #[must_use]
    pub fn session_mode() -> Self {
        Self { mode: "session", settings: Vec::new() }
    }

    /// Sets a parameter of `pgbouncer.ini`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push(format!("{name} = {value}"));
        self
    }

    /// Starts PgBouncer in front of the server at `url`, within a fraction of a second.
    ///
    /// # Errors
    /// Returns [`ServiceError::NotInstalled`] if PgBouncer is not installed, and other errors if it cannot be run.
    pub fn start(self, url: &str) -> Result<PgBouncer, ServiceError> {
        let invalid = || ServiceError::io("reading the URL of a server")(std::io::ErrorKind::InvalidInput);
        let url = Url::parse(url).ok_or_else(invalid)?;
        let user = instead_of_root()?;
        let folder = folder(None, user)?;
        let recipe = PgBouncerRecipe { program: binaries::pgbouncer()?, settings: self.in_front_of(&url), user };
        let server = Server::launch(recipe, folder)?;
        Ok(PgBouncer { server, database: url.path.to_owned() })
    }

    fn in_front_of(&self, url: &Url<'_>) -> String {
        let password = url.password.map(|password| format!(" password={password}")).unwrap_or_default();
        let (host, port, user) = (url.host, url.port.unwrap_or(5432), url.user.unwrap_or("postgres"));
        let settings = self.settings.join("\n");
        let mode = self.mode;
        format!(
            "[databases]\n* = host={host} port={port} user={user}{password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n{settings}\n"
        )
    }
}

impl PgBouncer {
    /// Returns the URL, which is valid until this value is dropped.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{}", self.server.port(), self.database)
    }

    /// Kills the pooler with all connections, and starts it again at the same URL.
    ///
    /// # Errors
    /// Returns an error if it cannot be killed or does not start.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        self.server.stop_with(PgBouncerRecipe::KILL.0)?;
        self.server.start_again()
    }
}

#[derive(Debug)]
struct PgBouncerRecipe {
    program: PathBuf,
    settings: String,
    user: Option<User>,
}

impl Recipe for PgBouncerRecipe {
    const NAME: &'static str = "PgBouncer";
    const KILL: (Signal, &'static str) = (Signal::KILL, "KILL");

    fn prepare(&self, folder: &Path, port: u16) -> Result<(), ServiceError> {
        let path = folder.join(SETTINGS);
        let settings = format!("{}listen_port = {port}\n", self.settings);
        std::fs::write(&path, settings).map_err(ServiceError::io("writing the settings of PgBouncer"))?;
        self.user.map_or(Ok(()), |user| give(&path, user))
    }

    fn command(&self, folder: &Path, _port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(folder.join(SETTINGS));
        command
    }

    /// PgBouncer exits if its port is taken, so the log is that of this process.
    fn is_ready(&self, folder: &Path, _process: u32) -> bool {
        std::fs::read_to_string(folder.join("log")).is_ok_and(|log| log.contains("process up"))
    }

    fn user(&self) -> Option<User> {
        self.user
    }
}

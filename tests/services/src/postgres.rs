//! A temporary PostgreSQL server.

use std::fmt::Display;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::server::{Recipe, Server, end, folder, run_as};
use crate::user::{User, give, instead_of_root};
use crate::{ServiceError, binaries};

/// The files of a certificate and its key in the server's folder.
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// Options of a temporary PostgreSQL server.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    settings: Vec<String>,
    parent: Option<PathBuf>,
    has_tls: bool,
}

/// A temporary PostgreSQL server. Clients on this machine are superusers as `postgres` without a password, and every commit is synced.
///
/// The server is stopped when this value is dropped. If the process is root, the server runs as user `postgres` or `nobody`, because it
/// refuses to run as root.
pub type Postgres = Server<PostgresRecipe>;

impl PostgresOptions {
    /// Further settings of the server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of connections. The default is 100.
    #[must_use]
    pub fn max_connections(self, connections: u16) -> Self {
        self.setting("max_connections", connections)
    }

    /// Sets a parameter of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// Stores the data in a new folder inside `parent`, such as a small disk. The default is the system's folder for temporary files.
    #[must_use]
    pub fn folder(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Has the server accept TLS, with a certificate that it makes for itself.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.has_tls = true;
        self
    }

    /// Creates a database cluster and starts its server, within one or two seconds.
    ///
    /// # Errors
    /// Returns [`ServiceError::NotInstalled`] if PostgreSQL is not installed, and other errors if it cannot be run.
    pub fn start(self) -> Result<Postgres, ServiceError> {
        let binaries = binaries::postgres()?;
        let user = instead_of_root()?;
        let folder = folder(self.parent.as_deref(), user)?;
        let mut recipe = PostgresRecipe { binaries, settings: self.settings, user };
        recipe.make_database(folder.path())?;
        if self.has_tls {
            recipe.make_certificate(folder.path())?;
        }
        Server::launch(recipe, folder)
    }
}

impl Server<PostgresRecipe> {
    /// Starts a server with default options, as [`PostgresOptions::start`] does.
    ///
    /// # Errors
    /// Returns the errors of `start`.
    pub fn start() -> Result<Self, ServiceError> {
        PostgresOptions::new().start()
    }

    /// Returns the URL, `postgres://postgres@127.0.0.1:PORT/postgres`, which is valid until this value is dropped.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port())
    }

    /// Returns the URL of a server with [TLS](PostgresOptions::tls), with which a client checks its certificate.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("{}?sslmode=verify-full&sslrootcert={}", self.url(), self.folder().join(CERTIFICATE).display())
    }

    /// Stops the server in fast mode, which closes all connections and writes a checkpoint.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn stop_fast(&mut self) -> Result<(), ServiceError> {
        self.stop_with(Signal::INT)
    }

    /// Stops the server as in a crash. Data that was not synced is lost, and the next start recovers.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn stop_immediate(&mut self) -> Result<(), ServiceError> {
        self.stop_with(Signal::QUIT)
    }

    /// Calls [`stop_fast`](Self::stop_fast) and [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// Returns the errors of both.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        self.stop_fast()?;
        self.start_again()
    }

    /// Copies a database of this server with `pg_dump` and `psql` into the empty database at the URL `to`, which may be on another server.
    ///
    /// # Errors
    /// Returns an error if a program is missing or fails.
    pub fn copy_database(&self, from: &str, to: &str) -> Result<(), ServiceError> {
        let dump = self.folder().join("dump.sql");
        self.recipe().run("pg_dump", &["--no-owner", "--file", &dump.display().to_string(), "--dbname", from])?;
        let quietly = ["--no-psqlrc", "--quiet", "--output", "/dev/null", "--set", "ON_ERROR_STOP=1"];
        self.recipe().run("psql", &[&quietly[..], &["--file", &dump.display().to_string(), "--dbname", to]].concat())
    }

    /// Restarts the server as a read-only replica of a primary that is gone. `SELECT pg_promote()` makes it a primary again.
    ///
    /// # Errors
    /// Returns an error if the server does not start.
    pub fn restart_as_replica(&mut self) -> Result<(), ServiceError> {
        self.stop_fast()?;
        let signal = self.folder().join("data/standby.signal");
        std::fs::write(&signal, "").map_err(ServiceError::io("making a server a replica"))?;
        if let Some(user) = instead_of_root()? {
            give(&signal, user)?;
        }
        self.start_again()
    }
}

#[derive(Debug)]
pub struct PostgresRecipe {
    binaries: PathBuf,
    settings: Vec<String>,
    user: Option<User>,
}

impl PostgresRecipe {
    fn make_database(&self, folder: &Path) -> Result<(), ServiceError> {
        let mut command = self.program(&self.binaries.join("initdb"));
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

    fn make_certificate(&mut self, folder: &Path) -> Result<(), ServiceError> {
        let failed = || ServiceError::io("making a certificate");
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other).map_err(failed())?;
        for (file, text) in [(CERTIFICATE, made.cert.pem()), (KEY, made.signing_key.serialize_pem())] {
            let file = folder.join(file);
            std::fs::write(&file, text).map_err(failed())?;
            // The server reads no key that others can read.
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).map_err(failed())?;
            if let Some(user) = self.user {
                give(&file, user)?;
            }
        }
        let [certificate, key] = [CERTIFICATE, KEY].map(|file| folder.join(file).display().to_string());
        self.settings.extend(["ssl=on".to_owned(), format!("ssl_cert_file={certificate}"), format!("ssl_key_file={key}")]);
        Ok(())
    }

    /// Runs a client program of the server's version to its end.
    fn run(&self, name: &'static str, arguments: &[&str]) -> Result<(), ServiceError> {
        let server = self.binaries.join("postgres").canonicalize().map_err(ServiceError::io("finding the client programs"))?;
        let mut command = self.program(&server.with_file_name(name));
        run_as(&mut command, self.user);
        let output =
            command.args(arguments).stdin(Stdio::null()).output().map_err(ServiceError::io("running a client program"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ServiceError::Refused { name, reply: end(&String::from_utf8_lossy(&output.stderr)) })
    }

    /// Returns a command without this process's environment variables.
    fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
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
        let mut command = self.program(&self.binaries.join("postgres"));
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
        lines.next() == Some(&*process.to_string())
            && lines.nth(6).is_some_and(|status| ["ready", "standby"].contains(&status.trim()))
    }

    fn user(&self) -> Option<User> {
        self.user
    }
}

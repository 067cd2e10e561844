//! A temporary Redis server.

use std::fmt::Display;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::server::{Recipe, Server, folder};
use crate::{ServiceError, binaries, probe};

/// The socket in the server's folder.
const SOCKET: &str = "socket";

/// Options of a temporary Redis (or Valkey) server.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    settings: Vec<(String, String)>,
    parent: Option<PathBuf>,
}

/// A temporary Redis server without a password. The server is stopped when this value is dropped.
pub type Redis = Server<RedisRecipe>;

impl RedisOptions {
    /// Returns options for a server that stores nothing on disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether every write is synced to a file before its reply, so that it survives a restart.
    #[must_use]
    pub fn append_only(self, append_only: bool) -> Self {
        self.setting("appendonly", if append_only { "yes" } else { "no" }).setting("appendfsync", "always")
    }

    /// Sets a parameter of `redis.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Stores the data in a new folder inside `parent`, such as a small disk. The default is the system's folder for temporary files.
    #[must_use]
    pub fn folder(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Starts the server, within a fraction of a second.
    ///
    /// # Errors
    /// Returns [`ServiceError::NotInstalled`] if neither Redis nor Valkey is installed, and other errors if the server cannot be run.
    pub fn start(self) -> Result<Redis, ServiceError> {
        let recipe = RedisRecipe { program: binaries::redis()?, settings: self.settings };
        Server::launch(recipe, folder(self.parent.as_deref(), None)?)
    }
}

impl Server<RedisRecipe> {
    /// Starts a server with default options, as [`RedisOptions::start`] does.
    ///
    /// # Errors
    /// Returns the errors of `start`.
    pub fn start() -> Result<Self, ServiceError> {
        RedisOptions::new().start()
    }

    /// Returns the URL, `redis://127.0.0.1:PORT/`, which is valid until this value is dropped.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port())
    }

    /// Stops the server gracefully.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn stop(&mut self) -> Result<(), ServiceError> {
        self.stop_with(Signal::TERM)
    }

    /// Kills the server.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn stop_immediate(&mut self) -> Result<(), ServiceError> {
        self.stop_with(Signal::KILL)
    }

    /// Calls [`stop`](Self::stop) and [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// Returns the errors of both.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        self.stop()?;
        self.start_again()
    }

    /// Removes all keys.
    ///
    /// # Errors
    /// Returns an error if the server does not respond.
    pub fn flush(&self) -> Result<(), ServiceError> {
        self.command("FLUSHALL").map(drop)
    }

    /// Sends a command on a new connection, and returns the first line of the reply. The words of the command must not contain white
    /// space.
    ///
    /// # Errors
    /// Returns [`ServiceError::Refused`] with the server's error, and other errors if the server does not respond within five seconds.
    pub fn command(&self, command: &str) -> Result<String, ServiceError> {
        ask(self.folder(), command)
    }
}

fn ask(folder: &Path, command: &str) -> Result<String, ServiceError> {
    let send = || {
        let mut stream = UnixStream::connect(folder.join(SOCKET))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        writeln!(stream, "{command}\r")?;
        probe::line(BufReader::new(stream))
    };
    let reply = send().map_err(ServiceError::io("sending a command to Redis"))?;
    match reply.strip_prefix('-') {
        Some(error) => Err(ServiceError::Refused { name: RedisRecipe::NAME, reply: error.to_owned() }),
        None => Ok(reply.trim_start_matches(['+', ':', '$']).to_owned()),
    }
}

#[derive(Debug)]
pub struct RedisRecipe {
    program: PathBuf,
    settings: Vec<(String, String)>,
}

impl Recipe for RedisRecipe {
    const NAME: &'static str = "Redis";
    const KILL: (Signal, &'static str) = (Signal::KILL, "KILL");

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--daemonize", "no"]);
        command.arg("--dir").arg(folder).arg("--unixsocket").arg(folder.join(SOCKET));
        for (name, value) in &self.settings {
            command.args([&format!("--{name}"), value]);
        }
        command
    }

    /// The socket is in the server's own folder, so its process id is not needed.
    fn is_ready(&self, folder: &Path, _process: u32) -> bool {
        match ask(folder, "PING") {
            Ok(reply) => reply == "PONG",
            Err(ServiceError::Refused { reply, .. }) => reply.starts_with("NOAUTH"),
            Err(_) => false,
        }
    }
}

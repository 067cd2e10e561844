//! A throw-away Redis server.

use std::fmt::Display;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::server::{Recipe, Server, folder};
use crate::user::User;
use crate::{ServiceError, binaries, probe};

/// The socket in the server's folder.
const SOCKET: &str = "socket";

/// Options of a throw-away Redis (or Valkey) server.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    settings: Vec<(String, String)>,
    parent: Option<PathBuf>,
}

/// A Redis server of this value's own, without a password. It ends when this is dropped.
#[derive(Debug)]
pub struct Redis(Server<RedisRecipe>);

impl RedisOptions {
    /// Selects a server that stores nothing on disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether every write is synced to a file before its reply, so that it survives a restart.
    #[must_use]
    pub fn append_only(self, append_only: bool) -> Self {
        self.setting("appendonly", if append_only { "yes" } else { "no" }).setting("appendfsync", "always")
    }

    /// Sets what `redis.conf` would set.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Keeps its data in a new folder below this one, such as one on a small disk; the system's folder for temporary files otherwise.
    #[must_use]
    pub fn folder(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Starts it, within a fraction of a second.
    ///
    /// # Errors
    /// [`ServiceError::NotInstalled`] where neither Redis nor Valkey is installed; others if it cannot be run.
    pub fn start(self) -> Result<Redis, ServiceError> {
        let recipe = RedisRecipe { program: binaries::redis()?, settings: self.settings };
        Server::start(recipe, folder(self.parent.as_deref(), None)?).map(Redis)
    }
}

impl Redis {
    /// [`RedisOptions::start`] without options.
    ///
    /// # Errors
    /// As there.
    pub fn start() -> Result<Self, ServiceError> {
        RedisOptions::new().start()
    }

    /// Returns the URL, `redis://127.0.0.1:PORT/`, valid as long as this value lives.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.0.port())
    }

    /// Lets it end in order.
    ///
    /// # Errors
    /// If it cannot be reached by a signal.
    pub fn stop(&mut self) -> Result<(), ServiceError> {
        self.0.stop(Signal::TERM)
    }

    /// Kills it.
    ///
    /// # Errors
    /// If it cannot be reached by a signal.
    pub fn stop_immediate(&mut self) -> Result<(), ServiceError> {
        self.0.stop(Signal::KILL)
    }

    /// Serves at the same URL again, with what the disk has kept; nothing happens if it runs.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_again(&mut self) -> Result<(), ServiceError> {
        self.0.start_again()
    }

    /// [`stop`](Self::stop) and [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// As theirs.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        self.stop()?;
        self.start_again()
    }

    /// Stops it where it is: connections stay open, and nothing is answered until [`thaw`](Self::thaw).
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

    /// Removes everything that is in it.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn flush(&self) -> Result<(), ServiceError> {
        self.command("FLUSHALL").map(drop)
    }

    /// Sends a command of words without white space on a connection of its own, and returns the first line of the reply.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] with the server's error; others if it does not answer within five seconds.
    pub fn command(&self, command: &str) -> Result<String, ServiceError> {
        ask(self.0.folder(), command)
    }
}

fn ask(folder: &Path, command: &str) -> Result<String, ServiceError> {
    let answer = || {
        let mut stream = UnixStream::connect(folder.join(SOCKET))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        writeln!(stream, "{command}\r")?;
        probe::line(BufReader::new(stream))
    };
    let answer = answer().map_err(ServiceError::io("asking Redis"))?;
    match answer.strip_prefix('-') {
        Some(error) => Err(ServiceError::Refused { name: RedisRecipe::NAME, answer: error.to_owned() }),
        None => Ok(answer.trim_start_matches(['+', ':', '$']).to_owned()),
    }
}

#[derive(Debug)]
struct RedisRecipe {
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

    /// Its socket is in a folder that only it has.
    fn is_ready(&self, folder: &Path, _process: u32) -> bool {
        match ask(folder, "PING") {
            Ok(answer) => answer == "PONG",
            Err(ServiceError::Refused { answer, .. }) => answer.starts_with("NOAUTH"),
            Err(_) => false,
        }
    }

    fn user(&self) -> Option<User> {
        None
    }
}

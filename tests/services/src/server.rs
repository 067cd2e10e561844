//! The common parts of temporary servers: a folder, a port, a process.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::user::User;
use crate::watchdog::Watchdog;
use crate::{ServiceError, family, port};

/// The time limit for a start or a stop.
const SOON: Duration = Duration::from_secs(60);

/// The number of ports to try. Another process can take a free port before the server does.
const PORTS: usize = 10;

/// The command of a server.
pub trait Recipe {
    /// The name of the server.
    const NAME: &'static str;
    /// The signal that ends the server immediately.
    const KILL: (Signal, &'static str);

    /// Writes the files that the server reads when it starts.
    fn prepare(&self, _folder: &Path, _port: u16) -> Result<(), ServiceError> {
        Ok(())
    }

    fn command(&self, folder: &Path, port: u16) -> Command;

    /// Returns whether the server is ready and `process` is this server.
    fn is_ready(&self, folder: &Path, process: u32) -> bool;

    /// Returns the user that runs the server, or `None` for the current user.
    fn user(&self) -> Option<User> {
        None
    }
}

/// A server that is running or was stopped.
#[derive(Debug)]
pub struct Server<R: Recipe> {
    recipe: R,
    port: u16,
    child: Option<Child>,
    watchdog: Watchdog,
    folder: TempDir,
}

impl<R: Recipe> Server<R> {
    /// Starts the server on a free port.
    pub(crate) fn launch(recipe: R, folder: TempDir) -> Result<Self, ServiceError> {
        let watchdog = Watchdog::over(folder.path(), R::KILL.1)?;
        let mut server = Self { recipe, port: 0, child: None, watchdog, folder };
        for last in (0..PORTS).map(|attempt| attempt + 1 == PORTS) {
            server.port = port::free().ok_or_else(|| ServiceError::io("finding a free port")(std::io::ErrorKind::AddrInUse))?;
            match server.start_again() {
                Err(ServiceError::DidNotStart { log, .. }) if log.to_lowercase().contains("address already in use") && !last => {}
                result => return result.map(|()| server),
            }
        }
        Ok(server)
    }

    /// Starts the server again, with the stored data at the same URL. Does nothing if it is running.
    ///
    /// # Errors
    /// Returns an error if the server does not start.
    pub fn start_again(&mut self) -> Result<(), ServiceError> {
        if self.child.is_some() {
            return Ok(());
        }
        self.recipe.prepare(self.folder.path(), self.port)?;
        let log = File::create(self.log()).map_err(ServiceError::io("creating a server's log"))?;
        let errors = log.try_clone().map_err(ServiceError::io("creating a server's log"))?;
        let mut command = self.recipe.command(self.folder.path(), self.port);
        run_as(&mut command, self.recipe.user());
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        let child = command.spawn().map_err(ServiceError::io("starting a server"))?;
        let process = child.id();
        self.child = Some(child);
        self.watchdog.watch(Some(process))?;
        let started = self.wait(|server| server.recipe.is_ready(server.folder.path(), process));
        if !matches!(started, Ok(true)) {
            self.kill();
            return started.and_then(|_| Err(ServiceError::DidNotStart { name: R::NAME, log: self.end_of_log() }));
        }
        Ok(())
    }

    /// Ends the server with a signal, and waits until it has exited. Does nothing if it is not running.
    pub(crate) fn stop_with(&mut self, signal: Signal) -> Result<(), ServiceError> {
        let Some(process) = self.process() else { return Ok(()) };
        family::send(process, signal)?;
        family::thaw(process)?;
        if self.wait(|_| false).is_err() || self.child.is_some() {
            self.kill();
        }
        Ok(())
    }

    /// Waits for a condition. Returns `false` if the server exits first or the time limit is exceeded.
    fn wait(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<bool, ServiceError> {
        let deadline = Instant::now() + SOON;
        while let Some(child) = &mut self.child {
            if child.try_wait().map_err(ServiceError::io("waiting for a server"))?.is_some() {
                self.child = None;
                self.watchdog.watch(None)?;
                return Ok(false);
            }
            if is_so(self) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(false)
    }

    /// Kills the server. Its children exit when the parent is gone.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = family::thaw(child.id());
            let _ = child.kill();
            let _ = child.wait();
            let _ = self.watchdog.watch(None);
        }
    }

    /// Returns the process id while the server is running.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Freezes all processes of the server. Connections stay open, but the server does not respond until [`thaw`](Self::thaw).
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn freeze(&self) -> Result<(), ServiceError> {
        self.process().map_or(Ok(()), family::freeze)
    }

    /// Continues a frozen server.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn thaw(&self) -> Result<(), ServiceError> {
        self.process().map_or(Ok(()), family::thaw)
    }

    pub(crate) fn recipe(&self) -> &R {
        &self.recipe
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn end_of_log(&self) -> String {
        end(&std::fs::read_to_string(self.log()).unwrap_or_default())
    }
}

impl<R: Recipe> Drop for Server<R> {
    fn drop(&mut self) {
        let _ = self.stop_with(R::KILL.0);
        self.kill();
    }
}

/// Makes a command run as another user.
pub(crate) fn run_as(command: &mut Command, user: Option<User>) {
    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
}

/// Returns the last lines of the log.
pub(crate) fn end(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

/// Creates a temporary folder, inside `parent` if one is given.
pub(crate) fn folder(parent: Option<&Path>, user: Option<User>) -> Result<TempDir, ServiceError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("onramp-");
    let folder = parent.map_or_else(|| builder.tempdir(), |parent| builder.tempdir_in(parent));
    let folder = folder.map_err(ServiceError::io("creating a temporary folder"))?;
    if let Some(user) = user {
        crate::user::give(folder.path(), user)?;
    }
    Ok(folder)
}

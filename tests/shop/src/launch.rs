//! Starting a shop.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::client::Client;
use crate::lines::{Lines, Reads};
use crate::shop::{Ended, ShopProcess};
use crate::wait::{SOON, within};

/// The number of lines of standard error that a failed test prints.
const LINES_SHOWN: usize = 40;

/// The command that starts a shop.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    binary: PathBuf,
    reads: Reads,
}

impl Launch {
    /// Configures the shop at `binary` without any environment variable.
    #[must_use]
    pub fn new(binary: &Path) -> Self {
        Self { command: Self::command(binary), binary: binary.to_owned(), reads: Reads::All }
    }

    fn command(program: &Path) -> Command {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_clear();
        command
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, variable: &str, value: &str) -> Self {
        self.command.env(variable, value);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Stops reading standard output after its first line.
    #[must_use]
    pub fn with_closing_output(mut self) -> Self {
        self.reads = Reads::FirstLine;
        self
    }

    /// Makes a write beyond the file size limit fail with an error, as on a full disk, instead of a signal.
    #[must_use]
    pub fn with_file_size_errors(self) -> Self {
        self.after("trap '' XFSZ")
    }

    /// Limits the number of files and connections that the shop may have open.
    #[must_use]
    pub fn with_open_files(self, number: u32) -> Self {
        self.after(&format!("ulimit -n {number}"))
    }

    /// Runs a command of the shell before the shop, in the same process.
    fn after(mut self, preparation: &str) -> Self {
        let mut command = Self::command(Path::new("/bin/sh"));
        command.arg("-c").arg(format!("{preparation} && exec \"$0\"")).arg(&self.binary);
        command.envs(self.command.get_envs().filter_map(|(variable, value)| Some((variable, value?))));
        self.command = command;
        self
    }

    /// Runs as user and group `id`.
    #[must_use]
    pub fn as_user(mut self, id: u32) -> Self {
        use std::os::unix::process::CommandExt;
        self.command.uid(id).gid(id);
        self
    }

    /// Starts the shop without waiting for it.
    #[must_use]
    pub fn spawn(mut self) -> Starting {
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.binary));
        let stdout = Lines::of(child.stdout.take().unwrap(), self.reads);
        let stderr = Lines::of(child.stderr.take().unwrap(), Reads::All);
        Starting { child, stdout, stderr }
    }

    /// Starts the shop, and waits until it listens.
    pub async fn start(self) -> ShopProcess {
        self.spawn().listening().await
    }

    /// Starts a shop that must fail to start, and waits until it exits.
    pub async fn refused(self) -> Ended {
        let mut starting = self.spawn();
        let status = starting.exit(SOON).await;
        starting.ended(status)
    }
}

/// A shop that may not listen yet. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Starting {
    pub(crate) child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Starting {
    /// Waits for the line with the shop's address.
    pub async fn listening(mut self) -> ShopProcess {
        let first = within(SOON, "the shop listens", async || {
            assert!(self.child.try_wait().unwrap().is_none(), "the shop exited:\n{}", self.stderr.text());
            self.stdout.all().into_iter().next()
        })
        .await;
        let address = first.strip_prefix("listening on http://").expect("the first line contains the address").parse().unwrap();
        ShopProcess { process: self, client: Client::of(address) }
    }

    /// Kills the shop, and returns its output.
    #[must_use]
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        self.ended(status)
    }

    pub(crate) async fn exit(&mut self, longest: Duration) -> ExitStatus {
        within(longest, "the shop ends", async || self.child.try_wait().unwrap()).await
    }

    /// Returns the complete output of a process that has ended.
    pub(crate) fn ended(&mut self, status: ExitStatus) -> Ended {
        Ended { status, stdout: self.stdout.rest(), stderr: self.stderr.rest().join("\n") }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // The process may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the last lines on the shop's standard error:\n{}\n---", self.stderr.last(LINES_SHOWN));
        }
    }
}

//! A shop as a process.

use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::wait::{SOON, within};

/// The variables that a shop reads.
const VARIABLES: [&str; 7] =
    ["LISTEN", "DATABASE_URL", "WERT_SECRET", "KRIPTOMAT_ALLOW", "TRUSTED_PROXIES", "CLIENT_IP_HEADER", "RUST_LOG"];

/// How long a shop may take to end.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// How much of a shop's standard error is shown when a test fails.
const LINES_SHOWN: usize = 40;

/// How to start a shop.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    binary: PathBuf,
    reads: Reads,
}

/// How much of a shop's standard output somebody reads.
#[derive(Clone, Copy, Debug)]
enum Reads {
    All,
    FirstLine,
}

impl Launch {
    /// The shop at `binary`, with no variable of its own set.
    #[must_use]
    pub fn new(binary: &Path) -> Self {
        Self { command: Self::command(binary), binary: binary.to_owned(), reads: Reads::All }
    }

    fn command(program: &Path) -> Command {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        VARIABLES.iter().for_each(|variable| {
            command.env_remove(variable);
        });
        command
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, variable: &str, value: &str) -> Self {
        self.command.env(variable, value);
        self
    }

    /// Sets the path secret of Wert's endpoint.
    #[must_use]
    pub fn wert_secret(self, secret: &str) -> Self {
        self.env("WERT_SECRET", secret)
    }

    /// Nobody reads standard output after its first line.
    #[must_use]
    pub fn with_closing_output(mut self) -> Self {
        self.reads = Reads::FirstLine;
        self
    }

    /// A write over the limit of the file size is an error, as on a full disk, instead of a signal.
    #[must_use]
    pub fn with_file_size_errors(mut self) -> Self {
        let mut command = Self::command(Path::new("sh"));
        command.args(["-c", "trap '' XFSZ; exec \"$0\""]).arg(&self.binary);
        for (variable, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(variable, value);
            }
        }
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

    /// Starts a shop that is not to run, and waits until it has given up.
    pub async fn refused(self) -> Ended {
        let mut starting = self.spawn();
        let status = starting.exit(SOON).await;
        starting.ended(status)
    }
}

/// A shop that may not listen yet. It is killed with this value.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Starting {
    /// Waits for the line that says where it listens.
    pub async fn listening(mut self) -> ShopProcess {
        let first = within(SOON, "the shop listens", async || {
            assert!(self.child.try_wait().unwrap().is_none(), "the shop gave up:\n{}", self.stderr.text());
            self.stdout.all().into_iter().next()
        })
        .await;
        let address = first.strip_prefix("listening on http://").expect("the first line says where it listens").parse().unwrap();
        ShopProcess { process: self, client: Client::of(address) }
    }

    /// Kills it, and answers what it had said.
    #[must_use]
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        self.ended(status)
    }

    async fn exit(&mut self, longest: Duration) -> ExitStatus {
        within(longest, "the shop ends", async || self.child.try_wait().unwrap()).await
    }

    /// The process has ended, so its output has an end.
    fn ended(&mut self, status: ExitStatus) -> Ended {
        Ended { status, stdout: self.stdout.rest(), stderr: self.stderr.rest().join("\n") }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the last lines on the shop's standard error:\n{}\n---", self.stderr.last(LINES_SHOWN));
        }
    }
}

/// A shop that listens. It is killed with this value.
#[derive(Debug)]
pub struct ShopProcess {
    process: Starting,
    /// Speaks HTTP to it.
    pub client: Client,
}

impl Deref for ShopProcess {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl ShopProcess {
    /// Starts the shop at `binary` with these variables, and waits until it listens.
    pub async fn start(binary: impl AsRef<Path>, env: &[(&str, &str)]) -> Self {
        env.iter().fold(Launch::new(binary.as_ref()), |launch, (variable, value)| launch.env(variable, value)).start().await
    }

    /// What it has said it handled, so far.
    #[must_use]
    pub fn handled(&self) -> Vec<Value> {
        handled(&self.process.stdout.all())
    }

    /// Waits until it has said that it handled so many deliveries.
    pub async fn has_handled(&self, deliveries: usize) {
        within(SOON, &format!("{deliveries} deliveries handled"), async || (self.handled().len() >= deliveries).then_some(()))
            .await;
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// Kills it without a warning, and answers what it had said.
    #[must_use]
    pub fn kill(self) -> Ended {
        self.process.kill()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        rustix::process::kill_process(self.unix_id(), rustix::process::Signal::TERM).unwrap();
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        rustix::process::kill_process(self.unix_id(), rustix::process::Signal::INT).unwrap();
    }

    /// Makes every file that it writes end at `bytes`; `None`: no limit.
    ///
    /// # Panics
    /// Where this is not Linux.
    #[cfg(not(target_os = "linux"))]
    pub fn limit_files(&self, _: Option<u64>) {
        unimplemented!("only Linux lets a test limit the files of another process");
    }

    /// Makes every file that it writes end at `bytes`; `None`: no limit.
    #[cfg(target_os = "linux")]
    pub fn limit_files(&self, bytes: Option<u64>) {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(Some(self.unix_id()), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
    }

    fn unix_id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap()
    }

    /// Waits for its end after [`terminate`](Self::terminate): in good order, and within ten seconds.
    pub async fn ends(mut self) -> Ended {
        let status = self.process.exit(LONGEST_STOP).await;
        let ended = self.process.ended(status);
        assert!(ended.status.success(), "{ended:?}");
        ended
    }

    /// Ends it in good order, and answers all that it had said.
    pub async fn stop(self) -> Ended {
        self.terminate();
        self.ends().await
    }
}

/// What remains of a shop.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<String>,
    /// Its standard error.
    pub stderr: String,
}

impl Ended {
    /// What it said it handled.
    #[must_use]
    pub fn handled(&self) -> Vec<Value> {
        handled(&self.stdout)
    }
}

fn handled(lines: &[String]) -> Vec<Value> {
    // The first line says where it listens.
    let handled: Vec<Value> = lines.iter().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(handled.iter().all(|line| line["handled"] == true), "{handled:?}");
    handled
}

/// A stream's lines, read as they come.
#[derive(Debug)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static, reads: Reads) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let read = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                read.lock().unwrap().push(line);
                if matches!(reads, Reads::FirstLine) {
                    break;
                }
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn text(&self) -> String {
        self.all().join("\n")
    }

    fn last(&self, lines: usize) -> String {
        let all = self.all();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn rest(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.all()
    }
}

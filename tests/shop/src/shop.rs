//! A shop as a process.

use std::ops::Deref;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::launch::{Launch, Starting};
use crate::wait::{SOON, within};

/// The limit for the end of a shop.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// A shop that listens. It is killed with this value.
#[derive(Debug)]
pub struct ShopProcess {
    pub(crate) process: Starting,
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

    /// Returns the handled lines so far.
    #[must_use]
    pub fn handled(&self) -> Vec<Value> {
        handled(&self.process.stdout.all())
    }

    /// Waits until it has said that it handled so many deliveries.
    pub async fn has_handled(&self, deliveries: usize) {
        within(SOON, &format!("{deliveries} deliveries handled"), async || (self.handled().len() >= deliveries).then_some(()))
            .await;
    }

    /// Returns the log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// Kills it without a warning, and returns its output.
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

    /// Makes it stand still, as a machine that is suspended.
    pub fn freeze(&self) {
        rustix::process::kill_process(self.unix_id(), rustix::process::Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        rustix::process::kill_process(self.unix_id(), rustix::process::Signal::CONT).unwrap();
    }

    /// Makes every file that it writes end at `bytes`; `None`: no limit.
    ///
    /// # Panics
    /// When the system is not Linux.
    #[cfg(not(target_os = "linux"))]
    pub fn limit_files(&self, _: Option<u64>) {
        panic!("only Linux lets a test limit the files of another process");
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

    /// Stops it gracefully, and returns its output.
    pub async fn stop(self) -> Ended {
        self.terminate();
        self.ends().await
    }
}

/// A shop that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<String>,
    /// Its standard error.
    pub stderr: String,
}

impl Ended {
    /// Returns the handled lines.
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

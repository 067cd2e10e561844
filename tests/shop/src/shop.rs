//! A shop as a process.

use std::ops::Deref;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::client::Client;
use crate::launch::Starting;
use crate::wait::until;

/// The time limit for the shutdown of a shop.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// The memory and the descriptors that a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The resident memory, in KiB.
    pub memory: u64,
    /// The number of open file descriptors.
    pub descriptors: u64,
}

/// A shop that listens. It is killed when this value is dropped.
#[derive(Debug)]
pub struct ShopProcess {
    pub(crate) process: Starting,
    /// The HTTP client of the shop.
    pub client: Client,
}

impl Deref for ShopProcess {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl ShopProcess {
    /// Returns the lines of handled deliveries so far.
    #[must_use]
    pub fn handled(&self) -> Vec<Value> {
        handled(&self.process.stdout.all())
    }

    /// Waits until the shop has printed lines for `deliveries` handled deliveries.
    pub async fn has_handled(&self, deliveries: usize) {
        until(&format!("{deliveries} deliveries handled"), async || self.handled().len() >= deliveries).await;
    }

    /// Returns the log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// Kills the shop with SIGKILL, and returns its output.
    #[must_use]
    pub fn kill(self) -> Ended {
        self.process.kill()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.unix_id(), signal).unwrap();
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Limits the size of every file that the shop writes. `None` removes the limit.
    ///
    /// # Panics
    /// If the system is not Linux.
    #[cfg(not(target_os = "linux"))]
    pub fn limit_files(&self, _: Option<u64>) {
        panic!("only Linux lets a test limit the files of another process");
    }

    /// Limits the size of every file that the shop writes. `None` removes the limit.
    #[cfg(target_os = "linux")]
    pub fn limit_files(&self, bytes: Option<u64>) {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(Some(self.unix_id()), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
    }

    /// Returns what the shop uses now.
    ///
    /// # Panics
    /// If the system is not Linux.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let process = std::path::PathBuf::from(format!("/proc/{}", self.process.child.id()));
        let status = std::fs::read_to_string(process.join("status")).expect("only Linux tells a test what another process uses");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        let descriptors = std::fs::read_dir(process.join("fd")).unwrap().count();
        Usage { memory: memory.expect("a running process"), descriptors: descriptors as u64 }
    }

    fn unix_id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.child.id()).unwrap()).unwrap()
    }

    /// Waits after [`terminate`](Self::terminate) until the shop exits. Asserts a successful exit within ten seconds.
    pub async fn ends(mut self) -> Ended {
        let status = self.process.exit(LONGEST_STOP).await;
        let ended = self.process.ended(status);
        assert!(ended.status.success(), "{ended:?}");
        ended
    }

    /// Stops the shop gracefully, and returns its output.
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
    /// The lines of standard output.
    pub stdout: Vec<String>,
    /// The standard error output.
    pub stderr: String,
}

impl Ended {
    /// Returns the lines of handled deliveries.
    #[must_use]
    pub fn handled(&self) -> Vec<Value> {
        handled(&self.stdout)
    }
}

fn handled(lines: &[String]) -> Vec<Value> {
    // The first line contains the address.
    let handled: Vec<Value> = lines.iter().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(handled.iter().all(|line| line["handled"] == true), "{handled:?}");
    handled
}

//! Servers in separate processes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

/// A server process, killed on drop.
pub(crate) struct Server {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    /// The address that it listens on.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts this program with `args`, and waits until it prints its address.
    pub(crate) fn start(args: &[&str]) -> anyhow::Result<Self> {
        Self::start_program(Command::new(std::env::current_exe()?).args(args))
    }

    /// Starts a program, and waits until it prints its address.
    pub(crate) fn start_program(program: &mut Command) -> anyhow::Result<Self> {
        let mut server = Self::spawn(program)?;
        server.address = server.line()?.parse().context("the server's address")?;
        Ok(server)
    }

    /// Starts `onramp-webhooks listen --json`, waits until it prints its address, and then reads and ignores its events.
    pub(crate) fn listening(listen: &mut Command) -> anyhow::Result<Self> {
        let mut server = Self::spawn(listen)?;
        let banner: Value = serde_json::from_str(&server.line()?).context("the first object of `listen`")?;
        server.address = banner.get("address").and_then(Value::as_str).context("the address of `listen`")?.parse()?;
        let mut events = server.output.take().context("the output of `listen`")?;
        std::thread::spawn(move || std::io::copy(&mut events, &mut std::io::sink()));
        Ok(server)
    }

    fn spawn(program: &mut Command) -> anyhow::Result<Self> {
        let mut child = program.stdout(Stdio::piped()).spawn().with_context(|| format!("start {program:?}"))?;
        let output = Some(BufReader::new(child.stdout.take().context("the server's output")?));
        Ok(Self { child, output, address: SocketAddr::from(([0; 4], 0)) })
    }

    /// Reads the next line of its output.
    pub(crate) fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let output = self.output.as_mut().context("the server's output")?;
        output.read_line(&mut line).context("read the server's output")?;
        Ok(line.trim().to_owned())
    }

    /// Returns its resident memory in MB, if the system reports it.
    pub(crate) fn megabytes(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1.024 / 1000.0)
    }

    /// Returns its CPU time, if the system reports it.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let nanoseconds = threads.flatten().filter_map(|thread| {
            let spent = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            spent.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanoseconds.sum()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

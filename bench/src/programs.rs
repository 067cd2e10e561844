//! (k) The command line: how many requests per second `trigger` sends, and how many `listen` records.
//!
//! Client and server share the machine's cores.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::Scale;
use crate::load::{LoadStats, Requests, load, post_to};
use crate::orders::{self, Ids};
use crate::process::Server;
use crate::report::{median, print, thousands};
use crate::server::{PATH, SECRET};

/// The number of requests that `trigger` sends in one measurement.
const TRIGGERED: u32 = 100_000;

/// Runs the benchmark and prints its tables.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let program = std::env::current_exe()?.with_file_name(format!("onramp-webhooks{}", std::env::consts::EXE_SUFFIX));
    trigger(scale, &program)?;
    listen(scale, &program)
}

fn trigger(scale: Scale, program: &Path) -> anyhow::Result<()> {
    let count = if scale.quick { 100 } else { TRIGGERED };
    let mut rows = Vec::new();
    for at_once in [16, 64] {
        let (mut sent, mut of_bench) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            let server = Server::start(&["serve", "bare"])?;
            of_bench.push(drive(server.address, PATH, at_once, scale)?.rate);
            let to = format!("http://{}{PATH}", server.address);
            let mut trigger = Command::new(program);
            trigger.args(["trigger", "wert", "order_complete", "--json", "--to", &to]);
            trigger.args(["--count", &count.to_string(), "--at-once", &at_once.to_string()]);
            let output = trigger.output().with_context(|| format!("start {}; build onramp-webhooks-cli", program.display()))?;
            ensure!(output.status.success(), "trigger: {}", String::from_utf8_lossy(&output.stderr));
            let summary: Value = serde_json::from_slice(&output.stdout)?;
            sent.push(f64::from(count) / summary.get("seconds").and_then(Value::as_f64).context("the seconds of a summary")?);
        }
        rows.push(vec![at_once.to_string(), thousands(median(sent)), thousands(median(of_bench))]);
    }
    print(
        "(k) Requests per second that a handler that only reads the body gets",
        &["connections", "from `trigger`", "from this benchmark"],
        rows,
    );
    Ok(())
}

fn listen(scale: Scale, program: &Path) -> anyhow::Result<()> {
    let sizes: &[usize] = if scale.quick { &[8] } else { &[32, 128] };
    let mut rows = Vec::new();
    for &connections in sizes {
        let (mut listens, mut receivers, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            let receiver = Server::start(&["serve", "durable"])?;
            let receiver = drive(receiver.address, PATH, connections, scale)?.rate;
            let folder = tempfile::tempdir()?;
            let listen = Server::listening(&mut command(program, &folder.path().join("inbox.db")))?;
            let listen = drive(listen.address, &format!("/webhooks/wert/{SECRET}"), connections, scale)?.rate;
            listens.push(listen);
            receivers.push(receiver);
            ratios.push(listen / receiver);
        }
        rows.push(vec![
            connections.to_string(),
            thousands(median(listens)),
            thousands(median(receivers)),
            format!("{:.3}", median(ratios)),
        ]);
    }
    print(
        "(k) Durable requests per second, while `listen` also handles and prints what it receives",
        &["connections", "`listen`", "durable receiver", "ratio"],
        rows,
    );
    Ok(())
}

/// Returns the command of `listen` over an inbox in a new file.
fn command(program: &Path, database: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["listen", "--json", "--listen", "127.0.0.1:0", "--wert-secret", SECRET, "--no-inspector", "--database-url"]);
    command.arg(format!("sqlite://{}", database.display()));
    command
}

fn drive(to: SocketAddr, path: &str, connections: usize, scale: Scale) -> anyhow::Result<LoadStats> {
    let write = |n, request: &mut Vec<u8>| post_to(path, &orders::id(Ids::Ordered, n), &[], request);
    let requests = Requests { next: &AtomicU64::new(1), write: &write, marks: |_| false };
    load(to, connections, requests, scale.time)
}

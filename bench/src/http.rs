//! (a) Requests per second over loopback.
//!
//! Server and load generator share the machine's cores, so a ratio says how much of what the machine can do is left.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use clap::ValueEnum;

use crate::Scale;
use crate::body::Ids;
use crate::load::{Found, load};
use crate::report::{median, print, thousands};
use crate::server::Kind;

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(kind: Kind) -> anyhow::Result<Self> {
        let name = kind.to_possible_value().context("a kind with a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", name.get_name()])
            .stdout(Stdio::piped())
            .spawn()
            .context("start a server")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the server's output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse().context("the server's address")? })
    }

    /// Its resident memory in MB, where the system tells.
    fn megabytes(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1.024 / 1000.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const KINDS: [(Kind, Ids, &str); 5] = [
    (Kind::Bare, Ids::Ordered, "bare handler"),
    (Kind::Parse, Ids::Ordered, "typed parse"),
    (Kind::Durable, Ids::Ordered, "durable, ordered ids"),
    (Kind::Durable, Ids::Random, "durable, random ids"),
    (Kind::OneCommit, Ids::Ordered, "one commit per request"),
];

/// Measures and prints.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let sizes: &[usize] = if scale.quick { &[8] } else { &[32, 128, 512] };
    for &connections in sizes {
        let mut found: Vec<Vec<(Found, f64)>> = KINDS.iter().map(|_| Vec::new()).collect();
        for _ in 0..scale.rounds {
            for ((kind, ids, _), found) in KINDS.iter().zip(&mut found) {
                let server = Server::start(*kind)?;
                let loaded = load(server.address, connections, *ids, scale.time)?;
                found.push((loaded, server.megabytes().unwrap_or(f64::NAN)));
            }
        }
        report(connections, &found);
    }
    Ok(())
}

fn report(connections: usize, found: &[Vec<(Found, f64)>]) {
    let rates = |of: &[(Found, f64)]| of.iter().map(|(found, _)| found.rate).collect::<Vec<_>>();
    let quantile = |of: &[(Found, f64)], q: f64| {
        median(of.iter().map(|(found, _)| found.micros.value_at_quantile(q) as f64 / 1000.0).collect())
    };
    let ratio =
        |of: &[(Found, f64)], to: &[(Found, f64)]| median(rates(of).iter().zip(rates(to)).map(|(of, to)| of / to).collect());
    let (Some(bare), Some(one)) = (found.first(), found.last()) else { return };
    let rows = KINDS.iter().zip(found).map(|((_, _, name), of)| {
        vec![
            (*name).to_owned(),
            thousands(median(rates(of))),
            format!("{:.3}", ratio(of, bare)),
            format!("{:.1}", ratio(of, one)),
            format!("{:.2}", quantile(of, 0.5)),
            format!("{:.2}", quantile(of, 0.99)),
            format!("{:.1}", median(of.iter().map(|(_, megabytes)| *megabytes).collect())),
        ]
    });
    print(
        &format!("(a) {connections} connections over loopback"),
        &["", "requests/s", "to bare", "to one commit", "p50 ms", "p99 ms", "server MB"],
        rows.collect(),
    );
}

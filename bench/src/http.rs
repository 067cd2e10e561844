//! (a) Requests per second over loopback.
//!
//! The server and the load generator share the machine's cores, so only ratios are meaningful.

use std::sync::atomic::AtomicU64;

use anyhow::Context;
use clap::ValueEnum;

use crate::Scale;
use crate::load::{LoadStats, Requests, load, post};
use crate::orders::{self, Ids};
use crate::process::Server;
use crate::report::{median, print, thousands};
use crate::server::Kind;

const KINDS: [(Kind, Ids, &str); 5] = [
    (Kind::Bare, Ids::Ordered, "bare handler"),
    (Kind::Parse, Ids::Ordered, "typed parse"),
    (Kind::Durable, Ids::Ordered, "durable, ordered ids"),
    (Kind::Durable, Ids::Random, "durable, random ids"),
    (Kind::OneCommit, Ids::Ordered, "one commit per request"),
];

/// Runs the benchmark and prints its tables.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let sizes: &[usize] = if scale.quick { &[8] } else { &[32, 128, 512] };
    for &connections in sizes {
        let mut measured: Vec<Vec<(LoadStats, f64)>> = KINDS.iter().map(|_| Vec::new()).collect();
        for _ in 0..scale.rounds {
            for ((kind, ids, _), measured) in KINDS.iter().zip(&mut measured) {
                let name = kind.to_possible_value().context("a kind with a name")?;
                let server = Server::start(&["serve", name.get_name()])?;
                let write = |n, request: &mut Vec<u8>| post(&orders::id(*ids, n), &[], request);
                let requests = Requests { next: &AtomicU64::new(1), write: &write, marks: |_| false };
                let stats = load(server.address, connections, requests, scale.time)?;
                measured.push((stats, server.megabytes().unwrap_or(f64::NAN)));
            }
        }
        report(connections, &measured);
    }
    Ok(())
}

fn report(connections: usize, measured: &[Vec<(LoadStats, f64)>]) {
    let rates = |of: &[(LoadStats, f64)]| of.iter().map(|(stats, _)| stats.rate).collect::<Vec<_>>();
    let quantile = |of: &[(LoadStats, f64)], q: f64| {
        median(of.iter().map(|(stats, _)| stats.micros.value_at_quantile(q) as f64 / 1000.0).collect())
    };
    let ratio = |of: &[(LoadStats, f64)], to: &[(LoadStats, f64)]| {
        median(rates(of).iter().zip(rates(to)).map(|(of, to)| of / to).collect())
    };
    let (Some(bare), Some(one)) = (measured.first(), measured.last()) else { return };
    let rows = KINDS.iter().zip(measured).map(|((_, _, name), of)| {
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

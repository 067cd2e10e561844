//! (e) The cost of each component in each framework, as a ratio to a handler of that framework that only reads the body.
//!
//! All servers of a framework run at once. Each time slice of a load lies between two slices of the bare handler's load, so that changes of
//! the machine's speed affect both.

mod cases;
mod serve;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use hdrhistogram::Histogram;

use self::cases::{Case, Keys};
pub(crate) use self::serve::serve;
use crate::Scale;
use crate::load::{LoadStats, Requests, load, post};
use crate::orders::{self, Ids};
use crate::process::Server;
use crate::report::{median, print};

/// A framework with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framework {
    /// axum.
    Axum,
    /// actix-web.
    Actix,
    /// warp.
    Warp,
}

/// The component that a server measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Component {
    /// None: a handler that only reads the body.
    Bare,
    /// The extractor of the event.
    Extractor,
    /// The allow-list, which contains the client.
    AllowList,
    /// The idempotency middleware with the store in memory.
    Idempotency,
    /// The receiver with the SQLite inbox.
    Durable,
}

const CONNECTIONS: usize = 32;

/// Short enough that the machine's speed is usually the same in two consecutive slices.
const SLICE: Duration = Duration::from_millis(500);

/// Runs the benchmark and prints its table.
pub(crate) fn run(scale: Scale, peers: bool) -> anyhow::Result<()> {
    let (slice, slices) = if scale.quick {
        (Duration::from_millis(100), 1)
    } else {
        (SLICE.min(scale.time), (scale.time.as_secs_f64() / SLICE.as_secs_f64()).ceil().max(1.0) as usize * scale.rounds)
    };
    let cases = cases::all(peers);
    let mut columns = Vec::new();
    for &framework in Framework::value_variants() {
        columns.push(measure(framework, &cases, slice, slices)?);
    }
    report(&cases, slices, &columns);
    Ok(())
}

/// The measurements of one case in one framework.
#[derive(Default)]
struct Cell {
    ratios: Vec<f64>,
    /// The server's CPU time in microseconds per request.
    cpu: Vec<f64>,
    micros: Option<Histogram<u64>>,
}

impl Cell {
    fn add(&mut self, (stats, cpu): (LoadStats, f64), bare: f64) -> anyhow::Result<()> {
        self.ratios.push(stats.rate / bare);
        self.cpu.push(cpu);
        match &mut self.micros {
            Some(micros) => micros.add(stats.micros)?,
            None => self.micros = Some(stats.micros),
        }
        Ok(())
    }
}

/// A server and its load.
struct Target<'a> {
    case: &'a Case,
    server: Server,
    cookies: Vec<String>,
    next: AtomicU64,
}

impl<'a> Target<'a> {
    fn start(case: &'a Case, framework: Framework) -> anyhow::Result<Option<Self>> {
        let Some((server, cookies)) = case.start(framework)? else { return Ok(None) };
        Ok(Some(Self { case, server, cookies, next: AtomicU64::new(0) }))
    }

    /// Runs the load, and returns its statistics and the server's CPU time in microseconds per request.
    fn load(&self, time: Duration) -> anyhow::Result<(LoadStats, f64)> {
        let write = |n: u64, request: &mut Vec<u8>| {
            let n = if self.case.keys == Keys::Repeated { n % cases::REPEATED_KEYS } else { n };
            let id = orders::id(Ids::Ordered, n);
            let cookie = usize::try_from(n).ok().and_then(|n| self.cookies.get(n % self.cookies.len()));
            let lines = ["idempotency-key: \"", &id, "\"\r\ncookie: ", cookie.map_or("", String::as_str), "\r\n"];
            post(&id, &lines, request);
        };
        let so_far = || (self.server.cpu_time(), self.next.load(Ordering::Relaxed));
        let requests = Requests { next: &self.next, write: &write, marks: cases::marks };
        let (cpu_before, sent_before) = so_far();
        let stats = load(self.server.address, CONNECTIONS, requests, time)?;
        let (cpu_after, sent_after) = so_far();
        let cpu = cpu_before.zip(cpu_after).map_or(f64::NAN, |(before, after)| (after - before).as_secs_f64() * 1e6);
        Ok((stats, cpu / (sent_after - sent_before) as f64))
    }
}

fn measure(framework: Framework, cases: &[Case], slice: Duration, slices: usize) -> anyhow::Result<Vec<Cell>> {
    let targets = cases.iter().map(|case| Target::start(case, framework)).collect::<anyhow::Result<Vec<_>>>()?;
    let bare = targets.first().and_then(Option::as_ref).context("the bare handler comes first")?;
    let mut cells: Vec<Cell> = cases.iter().map(|_| Cell::default()).collect();
    for target in targets.iter().flatten() {
        // Sends each repeated key once, and warms the server up.
        while target.next.load(Ordering::Relaxed) < cases::REPEATED_KEYS {
            target.load(slice)?;
        }
    }
    for _ in 0..slices {
        let mut before = bare.load(slice)?;
        for (target, cell) in targets.iter().zip(&mut cells).skip(1) {
            let Some(target) = target else { continue };
            let measured = target.load(slice)?;
            if let Some(marked) = measured.0.marked {
                ensure!(
                    target.case.is_valid(framework, marked),
                    "{} in {framework:?}: {marked:.3} of the responses are marked",
                    target.case.name
                );
            }
            let after = bare.load(slice)?;
            cell.add(measured, f64::midpoint(before.0.rate, after.0.rate))?;
            before = after;
        }
        if let Some(cell) = cells.first_mut() {
            let rate = before.0.rate;
            cell.add(before, rate)?;
        }
    }
    Ok(cells)
}

fn report(cases: &[Case], slices: usize, columns: &[Vec<Cell>]) {
    let table = cases.iter().enumerate().map(|(at, case)| {
        let cells = columns.iter().filter_map(|column| column.get(at)).flat_map(figures);
        std::iter::once(case.name.to_owned()).chain(cells).collect()
    });
    print(
        &format!(
            "(e) {CONNECTIONS} connections, medians of {slices}: ratio to the framework's bare handler; the server's CPU time in µs per \
             request; p50 / p99 in ms"
        ),
        &["", "axum", "", "", "actix", "", "", "warp", "", ""],
        table.collect(),
    );
}

fn figures(cell: &Cell) -> [String; 3] {
    let Some(micros) = &cell.micros else { return Default::default() };
    let millis = |quantile| micros.value_at_quantile(quantile) as f64 / 1000.0;
    [
        format!("{:.3}", median(cell.ratios.clone())),
        format!("{:.1}", median(cell.cpu.clone())),
        format!("{:.2} / {:.2}", millis(0.5), millis(0.99)),
    ]
}

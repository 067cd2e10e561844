//! (e) What each part costs in each framework, as a ratio to a handler of that framework that only reads the body.
//!
//! All servers of a framework are there at once, and a slice of every load stands between two slices of the bare handler's, so that
//! a machine that gets slower or faster does so for both.

mod rows;
mod serve;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use hdrhistogram::Histogram;

use self::rows::{Keys, Row};
pub(crate) use self::serve::serve;
use crate::Scale;
use crate::load::{Found, Requests, load, post};
use crate::orders::{self, Ids};
use crate::process::Server;
use crate::report::{median, print};

/// A framework that there is an adapter for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framework {
    /// With axum.
    Axum,
    /// With actix-web.
    Actix,
    /// With warp.
    Warp,
}

/// What a server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Reads the body.
    Bare,
    /// Extracts the event.
    Extractor,
    /// Reads the body of a client that is on the list.
    AllowList,
    /// Reads the body once for each key, which it remembers in memory.
    Idempotency,
    /// Records with the receiver and the SQLite inbox.
    Durable,
}

const CONNECTIONS: usize = 32;

/// So short that the machine is the same in two that follow each other, most of the time.
const SLICE: Duration = Duration::from_millis(500);

/// Measures and prints.
pub(crate) fn run(scale: Scale, peers: bool) -> anyhow::Result<()> {
    let (slice, slices) = if scale.quick {
        (Duration::from_millis(100), 1)
    } else {
        (SLICE.min(scale.time), (scale.time.as_secs_f64() / SLICE.as_secs_f64()).ceil().max(1.0) as usize * scale.rounds)
    };
    let rows = rows::all(peers);
    let mut columns = Vec::new();
    for &framework in Framework::value_variants() {
        columns.push(measure(framework, &rows, slice, slices)?);
    }
    report(&rows, slices, &columns);
    Ok(())
}

/// What was found of one row in one framework.
#[derive(Default)]
struct Cell {
    ratios: Vec<f64>,
    /// Microseconds of a processor that the server takes for a request.
    work: Vec<f64>,
    micros: Option<Histogram<u64>>,
}

impl Cell {
    fn add(&mut self, (found, work): (Found, f64), bare: f64) -> anyhow::Result<()> {
        self.ratios.push(found.rate / bare);
        self.work.push(work);
        match &mut self.micros {
            Some(micros) => micros.add(found.micros)?,
            None => self.micros = Some(found.micros),
        }
        Ok(())
    }
}

/// A server and the load for it.
struct Stand<'a> {
    row: &'a Row,
    server: Server,
    cookies: Vec<String>,
    next: AtomicU64,
}

impl<'a> Stand<'a> {
    fn of(row: &'a Row, framework: Framework) -> anyhow::Result<Option<Self>> {
        let Some((server, cookies)) = row.start(framework)? else { return Ok(None) };
        Ok(Some(Self { row, server, cookies, next: AtomicU64::new(0) }))
    }

    /// What the load found, and the microseconds that the server took for a request.
    fn load(&self, time: Duration) -> anyhow::Result<(Found, f64)> {
        let write = |n: u64, request: &mut Vec<u8>| {
            let n = if self.row.keys == Keys::Again { n % rows::REPEATED } else { n };
            let id = orders::id(Ids::Ordered, n);
            let cookie = usize::try_from(n).ok().and_then(|n| self.cookies.get(n % self.cookies.len()));
            let lines = ["idempotency-key: \"", &id, "\"\r\ncookie: ", cookie.map_or("", String::as_str), "\r\n"];
            post(&id, &lines, request);
        };
        let so_far = || (self.server.processor(), self.next.load(Ordering::Relaxed));
        let requests = Requests { next: &self.next, write: &write, marks: rows::marks };
        let (spent, sent) = so_far();
        let found = load(self.server.address, CONNECTIONS, requests, time)?;
        let (spent_then, sent_then) = so_far();
        let spent = spent.zip(spent_then).map_or(f64::NAN, |(before, after)| (after - before).as_secs_f64() * 1e6);
        Ok((found, spent / (sent_then - sent) as f64))
    }
}

fn measure(framework: Framework, rows: &[Row], slice: Duration, slices: usize) -> anyhow::Result<Vec<Cell>> {
    let stands = rows.iter().map(|row| Stand::of(row, framework)).collect::<anyhow::Result<Vec<_>>>()?;
    let bare = stands.first().and_then(Option::as_ref).context("the bare handler comes first")?;
    let mut cells: Vec<Cell> = rows.iter().map(|_| Cell::default()).collect();
    for stand in stands.iter().flatten() {
        // The first requests of a load that repeats are not repeated ones, and the first of any find a cold server.
        while stand.next.load(Ordering::Relaxed) < rows::REPEATED {
            stand.load(slice)?;
        }
    }
    for _ in 0..slices {
        let mut before = bare.load(slice)?;
        for (stand, cell) in stands.iter().zip(&mut cells).skip(1) {
            let Some(stand) = stand else { continue };
            let found = stand.load(slice)?;
            if let Some(marked) = found.0.marked {
                ensure!(stand.row.is_as_meant(framework, marked), "{} in {framework:?}: {marked:.3} are marked", stand.row.name);
            }
            let after = bare.load(slice)?;
            cell.add(found, f64::midpoint(before.0.rate, after.0.rate))?;
            before = after;
        }
        if let Some(cell) = cells.first_mut() {
            let rate = before.0.rate;
            cell.add(before, rate)?;
        }
    }
    Ok(cells)
}

fn report(rows: &[Row], slices: usize, columns: &[Vec<Cell>]) {
    let table = rows.iter().enumerate().map(|(at, row)| {
        let cells = columns.iter().filter_map(|column| column.get(at)).flat_map(figures);
        std::iter::once(row.name.to_owned()).chain(cells).collect()
    });
    print(
        &format!(
            "(e) {CONNECTIONS} connections, medians of {slices}: to the framework's bare handler; µs of a processor that the server takes \
             for a request; p50 / p99 in ms"
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
        format!("{:.1}", median(cell.work.clone())),
        format!("{:.2} / {:.2}", millis(0.5), millis(0.99)),
    ]
}

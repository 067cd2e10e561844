//! Run with `cargo xtask bench`. Measures the cost of durability as ratios within one run.

mod callers;
mod frameworks;
mod hot;
mod http;
mod inbox;
mod load;
mod operator;
mod orders;
mod postgres;
mod process;
mod programs;
mod report;
mod secret;
mod server;
mod transactional;
mod worker;

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

/// Measures the cost of durability as ratios within one run.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The seconds of each measurement.
    #[arg(long, global = true, default_value_t = 3.0)]
    seconds: f64,
    /// The number of rounds. Every figure is the median of all rounds.
    #[arg(long, global = true, default_value_t = 3)]
    rounds: usize,
    /// Runs one short round of the small sizes, to check that everything works.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Command {
    /// (a) Requests per second over loopback, compared with a handler that only reads the body.
    Http,
    /// (b) Durable deliveries per second at the inbox, compared with one commit each.
    Inbox,
    /// (c) Deliveries per second through the worker, with few and many rows in the table.
    Worker,
    /// (d) Nanoseconds and allocations of parsing one event.
    Decode,
    /// (e) The cost of each component in each framework, compared with a handler that only reads the body.
    Frameworks {
        /// Also measures `axum-idempotent` and `actix-idempotent`, which `cargo xtask bench` then builds.
        #[arg(long)]
        peers: bool,
    },
    /// (f) The inbox in PostgreSQL, compared with one `INSERT` each, and its worker, plain and transactional, with few and many rows in
    /// the table. Uses a temporary server, or a temporary schema on the server in `DATABASE_URL`.
    Postgres {
        /// The number of handled rows in the large table.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
    },
    /// (g) An order with 100 000 events that wait, and recording of other orders meanwhile.
    Hot,
    /// (h) Deliveries per second through a worker whose handler writes into the inbox's SQLite file.
    Transactional,
    /// (i) Lists and filters of an inbox with many deliveries, and how fast an export reads them and an import adds them. Uses the same
    /// servers as `postgres`.
    Operator {
        /// The number of deliveries.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
    },
    /// (j) Whether the time to refuse a wrong path secret tells how much of it is right.
    Secret,
    /// (k) Requests per second that `trigger` sends, and that `listen` records.
    Programs,
    /// Prints the address of a server, and serves.
    #[command(hide = true)]
    Serve {
        /// The server.
        kind: server::Kind,
    },
    /// Prints the address of a server in one of the frameworks, and serves.
    #[command(hide = true)]
    ServeIn {
        /// The framework.
        framework: frameworks::Framework,
        /// The component.
        component: frameworks::Component,
    },
}

/// The extent of the measurements.
#[derive(Clone, Copy)]
struct Scale {
    time: Duration,
    rounds: usize,
    quick: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let scale = if cli.quick {
        Scale { time: Duration::from_millis(200), rounds: 1, quick: true }
    } else {
        Scale { time: Duration::from_secs_f64(cli.seconds), rounds: cli.rounds.max(1), quick: false }
    };
    match cli.command {
        Some(Command::Http) => http::run(scale),
        Some(Command::Inbox) => inbox::run(scale),
        Some(Command::Worker) => worker::run(scale),
        Some(Command::Decode) => decode(scale),
        Some(Command::Frameworks { peers }) => frameworks::run(scale, peers),
        Some(Command::Postgres { rows }) => postgres::run(scale, rows),
        Some(Command::Hot) => hot::run(scale),
        Some(Command::Transactional) => transactional::run(scale),
        Some(Command::Operator { rows }) => operator::run(scale, rows),
        Some(Command::Secret) => secret::run(scale),
        Some(Command::Programs) => programs::run(scale),
        Some(Command::Serve { kind }) => server::serve(kind),
        Some(Command::ServeIn { framework, component }) => frameworks::serve(framework, component),
        None => {
            http::run(scale)?;
            inbox::run(scale)?;
            worker::run(scale)?;
            decode(scale)?;
            frameworks::run(scale, false)?;
            postgres::run(scale, 1_000_000)?;
            hot::run(scale)?;
            transactional::run(scale)?;
            operator::run(scale, 1_000_000)?;
            secret::run(scale)?;
            programs::run(scale)
        }
    }
}

/// Runs the separate program that counts allocations.
fn decode(scale: Scale) -> anyhow::Result<()> {
    let program = std::env::current_exe()?.with_file_name(format!("decode{}", std::env::consts::EXE_SUFFIX));
    let status = std::process::Command::new(&program)
        .args(scale.quick.then_some("--quick"))
        .status()
        .with_context(|| format!("start {}; build every program of this package", program.display()))?;
    ensure!(status.success(), "parsing events: {status}");
    Ok(())
}

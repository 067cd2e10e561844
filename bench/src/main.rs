//! Run with `cargo xtask bench`: what durability costs, as ratios from one run.

mod callers;
mod frameworks;
mod http;
mod inbox;
mod load;
mod orders;
mod postgres;
mod process;
mod report;
mod server;
mod worker;

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

/// What durability costs, as ratios from one run.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Seconds of every single measurement.
    #[arg(long, global = true, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; every figure is the median of so many, taken in turn.
    #[arg(long, global = true, default_value_t = 3)]
    rounds: usize,
    /// Only shows that everything runs: one short round of the small sizes.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Command {
    /// (a) Requests per second over loopback, beside a handler that only reads the body.
    Http,
    /// (b) Deliveries per second made durable at the inbox, beside one commit each.
    Inbox,
    /// (c) Deliveries per second through the worker, with few and many rows in the table.
    Worker,
    /// (d) Nanoseconds and allocations of reading one event.
    Decode,
    /// (e) What each part costs in each framework, beside a handler that only reads the body.
    Frameworks {
        /// Also measures `axum-idempotent` and `actix-idempotent`, which `cargo xtask bench` builds then.
        #[arg(long)]
        peers: bool,
    },
    /// (f) The inbox in PostgreSQL beside one `INSERT` each, and its worker, plain and transactional, with few and many rows in the
    /// table. On a throw-away server, or on the one that `DATABASE_URL` names, in a schema that is dropped afterwards.
    Postgres {
        /// How many handled rows the table has when it is large.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
    },
    /// The server that the requests go to; prints its address.
    #[command(hide = true)]
    Serve {
        /// What to serve.
        kind: server::Kind,
    },
    /// The same for the part about frameworks.
    #[command(hide = true)]
    ServeIn {
        /// Where to serve.
        framework: frameworks::Framework,
        /// What to serve.
        what: frameworks::What,
    },
}

/// How much to measure.
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
        Some(Command::Serve { kind }) => server::serve(kind),
        Some(Command::ServeIn { framework, what }) => frameworks::serve(framework, what),
        None => {
            http::run(scale)?;
            inbox::run(scale)?;
            worker::run(scale)?;
            decode(scale)?;
            frameworks::run(scale, false)?;
            postgres::run(scale, 1_000_000)
        }
    }
}

/// Runs the program beside this one that counts allocations.
fn decode(scale: Scale) -> anyhow::Result<()> {
    let program = std::env::current_exe()?.with_file_name(format!("decode{}", std::env::consts::EXE_SUFFIX));
    let status = std::process::Command::new(&program)
        .args(scale.quick.then_some("--quick"))
        .status()
        .with_context(|| format!("start {}; build every program of this package", program.display()))?;
    ensure!(status.success(), "reading events: {status}");
    Ok(())
}

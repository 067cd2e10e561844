//! Every conformance case on every adapter and every store: `cargo xtask matrix`.
//!
//! All get the same bytes, and their responses are compared with the expectation and with each other. A cell that was not left
//! out by name and did not pass is red.
#![expect(clippy::unwrap_used, reason = "the sites of the adapters are tests")]

mod cell;
mod column;
mod panics;
mod run;
mod table;

use std::process::ExitCode;

use clap::Parser;

use self::column::{Adapter, Column, Store};

/// Run every case of the conformance suite on every adapter and store, and compare what they answer.
#[derive(Parser)]
#[command(name = "cargo xtask matrix")]
struct Cli {
    /// Only this adapter; may be given again.
    #[arg(long)]
    adapter: Vec<Adapter>,
    /// Only this store; may be given again.
    #[arg(long)]
    store: Vec<Store>,
    /// Leave out this store; may be given again.
    #[arg(long)]
    without_store: Vec<Store>,
    /// Only cases whose name contains this; may be given again.
    #[arg(long)]
    case: Vec<String>,
    /// Leave out cases whose name contains this; may be given again.
    #[arg(long)]
    without: Vec<String>,
    /// Cells that run at the same time.
    #[arg(long, default_value_t = 6)]
    jobs: usize,
}

impl Cli {
    fn wants(&self, column: Column, case: &str) -> bool {
        (self.adapter.is_empty() || self.adapter.contains(&column.adapter))
            && (self.store.is_empty() || self.store.contains(&column.store))
            && !self.without_store.contains(&column.store)
            && column.store.is_asked_by(case)
            && (self.case.is_empty() || self.case.iter().any(|part| case.contains(part)))
            && !self.without.iter().any(|part| case.contains(part))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    panics::collect();
    let rows = run::all(cli.jobs.max(1), |column, case| cli.wants(column, case));
    if table::print(&rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

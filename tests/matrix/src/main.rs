//! Every conformance case on every adapter and every store: `cargo xtask matrix`.
//!
//! All adapters get the same bytes, and their responses are compared with the expectation and with each other. The run fails if a cell
//! neither passed nor was skipped by an option.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "the sites of the adapters are tests")]

mod case;
mod cell;
mod column;
mod connections;
mod panics;
mod run;
mod site;
mod table;

use std::process::ExitCode;

use clap::Parser;

use self::column::{Adapter, Column, Store};

/// Run every case of the conformance suite on every adapter and store, and compare the responses.
#[derive(Parser)]
#[command(name = "cargo xtask matrix")]
struct Cli {
    /// Only this adapter. Can be repeated.
    #[arg(long)]
    adapter: Vec<Adapter>,
    /// Only this store. Can be repeated.
    #[arg(long)]
    store: Vec<Store>,
    /// Skip this store. Can be repeated.
    #[arg(long)]
    without_store: Vec<Store>,
    /// Only cases whose name contains this text. Can be repeated.
    #[arg(long)]
    case: Vec<String>,
    /// Skip cases whose name contains this text. Can be repeated.
    #[arg(long)]
    without: Vec<String>,
    /// Maximum number of cells that run at the same time.
    #[arg(long, default_value_t = 6)]
    jobs: usize,
    /// Serve the site of one adapter and store instead, until the input ends.
    #[arg(long, hide = true)]
    serve: bool,
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
    if let (true, [adapter], [store]) = (cli.serve, &*cli.adapter, &*cli.store) {
        site::serve(Column { adapter: *adapter, store: *store });
        return ExitCode::SUCCESS;
    }
    panics::collect();
    let rows = run::all(cli.jobs.max(1), |column, case| cli.wants(column, case));
    if table::print(&rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

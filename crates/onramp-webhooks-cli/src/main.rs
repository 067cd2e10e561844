#![doc = include_str!("../README.md")]

mod database;
mod exit;
mod output;
mod progress;
mod reconcile;
mod resume;
mod time_arg;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::exit::ExitStatus;

/// The command line of onramp-webhooks.
#[derive(Parser)]
#[command(name = "onramp-webhooks", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Reconcile(reconcile::Reconcile),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Reconcile(reconcile) => reconcile.run().await,
    };
    result
        .unwrap_or_else(|error| {
            eprintln!("error: {error}");
            error.exit_status()
        })
        .into()
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

#![doc = include_str!("../README.md")]

mod database;
mod moment;
mod outcome;
mod output;
mod progress;
mod reconcile;
mod resume;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::outcome::Outcome;

/// Looks after the inbox of onramp-webhooks.
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
    let outcome = match Cli::parse().command {
        Command::Reconcile(reconcile) => reconcile.run().await,
    };
    outcome
        .unwrap_or_else(|failure| {
            eprintln!("error: {failure}");
            failure.outcome()
        })
        .into()
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

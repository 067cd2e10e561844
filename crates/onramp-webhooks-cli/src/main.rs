#![doc = include_str!("../README.md")]

mod completions;
mod database;
mod exit;
mod globals;
mod http;
mod interrupt;
mod listen;
mod logging;
mod man;
mod output;
mod reconcile;
mod running;
mod text;
mod time;
mod trigger;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use self::exit::{CliError, ExitStatus};
use self::globals::Globals;
use self::output::Output;

/// Time for threads that wait for a disk or a name server when the program ends.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// Receive, send and reconcile the events of on-ramp widgets.
///
/// Exit codes: 0 success, 1 the operation failed, 2 the command line is not valid, 3 completed with findings, 4 refused and nothing was
/// changed, 130 interrupted. `reconcile` has codes of its own.
#[derive(Parser)]
#[command(name = "onramp-webhooks", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Listen(Box<listen::Listen>),
    Trigger(Box<trigger::Trigger>),
    Reconcile(Box<reconcile::Reconcile>),
    Completions(completions::Completions),
    Man(man::Man),
}

fn main() -> ExitCode {
    let Cli { globals, command } = Cli::parse();
    let output = Output::new(&globals);
    let result = Runtime::new().map_err(|error| CliError::with_source("starting", &error)).and_then(|runtime| {
        let result = runtime.block_on(run(command, &globals, &output));
        runtime.shutdown_timeout(LAST_THREADS);
        result
    });
    let status = result.unwrap_or_else(|error| {
        output.error(&error);
        error.exit_status()
    });
    ExitCode::from(status.code())
}

async fn run(command: Command, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
    let _log = logging::start(globals)?;
    match command {
        Command::Listen(listen) => listen.run(globals, output).await,
        Command::Trigger(trigger) => trigger.run(output).await,
        Command::Reconcile(reconcile) => reconcile.run(globals, output).await,
        Command::Completions(completions) => completions.run(output),
        Command::Man(man) => man.run(),
    }
}

#![doc = include_str!("../README.md")]

mod away;
mod completions;
mod database;
mod doctor;
mod exit;
mod globals;
mod http;
mod inbox;
mod inspect;
mod inspector;
mod interrupt;
mod listen;
mod logging;
mod man;
mod order;
mod output;
mod prompt;
mod reconcile;
mod running;
mod secret;
mod socket;
mod status;
mod table;
mod text;
mod time;
mod trigger;
mod widget;

use std::io::Write;
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
    Status(status::Status),
    Inbox(Box<inbox::InboxCommand>),
    Inspect(inspect::Inspect),
    Order(order::Order),
    Reconcile(Box<reconcile::Reconcile>),
    Widget(widget::Widget),
    Doctor(Box<doctor::Doctor>),
    Completions(completions::Completions),
    Man(man::Man),
}

fn main() -> ExitCode {
    let Cli { globals, command } = Cli::try_parse().unwrap_or_else(|error| invalid(&error));
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

/// Ends the program after an error of the command line, or with the help that was asked for. An error repeats arguments, which may be
/// received data.
fn invalid(error: &clap::Error) -> ! {
    let text = error.to_string();
    if !error.use_stderr() || text.lines().all(|line| text::escaped(line) == line) {
        error.exit();
    }
    for line in text.lines() {
        let _ = writeln!(std::io::stderr(), "{}", text::escaped(line));
    }
    std::process::exit(ExitStatus::Usage.code().into())
}

async fn run(command: Command, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
    let _log = logging::start(globals)?;
    match command {
        Command::Listen(listen) => listen.run(globals, output).await,
        Command::Trigger(trigger) => trigger.run(output).await,
        Command::Status(status) => status.run(globals, output).await,
        Command::Inbox(inbox) => inbox.run(globals, output).await,
        Command::Inspect(inspect) => inspect.run(globals, output).await,
        Command::Order(order) => order.run(globals, output).await,
        Command::Reconcile(reconcile) => reconcile.run(globals, output).await,
        Command::Widget(widget) => widget.run(globals, output).await,
        Command::Doctor(doctor) => doctor.run(globals, output).await,
        Command::Completions(completions) => completions.run(output),
        Command::Man(man) => man.run(),
    }
}

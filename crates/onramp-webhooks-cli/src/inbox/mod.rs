//! The command `onramp-webhooks inbox`.

mod change;
mod diff;
mod export;
mod find;
mod forget;
mod import;
mod list;
mod outcome;
mod prune;
pub(crate) mod reading;
mod release;
mod replay;
mod resolve;
mod selection;
mod show;
pub(crate) mod stats;
pub(crate) mod view;
mod watch;

use clap::{Args, Subcommand};

pub(crate) use self::list::paid;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox list --state dead
  onramp-webhooks inbox show 1
  onramp-webhooks inbox replay 1 --dry-run";

/// Look at deliveries, and mend them.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InboxCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(visible_alias = "ls")]
    List(Box<list::List>),
    #[command(visible_alias = "get")]
    Show(show::Show),
    Find(find::Find),
    Diff(diff::Diff),
    #[command(visible_aliases = ["retry", "resend"])]
    Replay(Box<replay::Replay>),
    Resolve(Box<resolve::Resolve>),
    Reopen(Box<resolve::Reopen>),
    Release(release::Release),
    Forget(forget::Forget),
    Prune(prune::Prune),
    #[command(visible_alias = "tail")]
    Watch(watch::Watch),
    Stats(stats::Stats),
    Export(Box<export::Export>),
    Import(import::Import),
}

impl InboxCommand {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        match self.command {
            Command::List(list) => list.run(globals, output).await,
            Command::Show(show) => show.run(globals, output).await,
            Command::Find(find) => find.run(globals, output).await,
            Command::Diff(diff) => diff.run(globals, output).await,
            Command::Replay(replay) => replay.run(globals, output).await,
            Command::Resolve(resolve) => resolve.run(globals, output).await,
            Command::Reopen(reopen) => reopen.run(globals, output).await,
            Command::Release(release) => release.run(globals, output).await,
            Command::Forget(forget) => forget.run(globals, output).await,
            Command::Prune(prune) => prune.run(globals, output).await,
            Command::Export(export) => export.run(globals, output).await,
            Command::Import(import) => import.run(globals, output).await,
            Command::Stats(stats) => stats.run(globals, output).await,
            Command::Watch(watch) => watch.run(globals, output).await,
        }
    }
}

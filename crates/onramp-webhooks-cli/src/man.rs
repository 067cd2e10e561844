//! The command `onramp-webhooks man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::Cli;
use crate::exit::{CliError, ExitStatus};

const EXAMPLES: &str = "Examples:
  onramp-webhooks man ~/.local/share/man/man1";

/// Write the manual pages into a folder: one for each command
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Man {
    /// The folder, which is created if it is missing
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> Result<ExitStatus, CliError> {
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &self.folder));
        written.map_err(|error| CliError::with_source(format!("writing into {}", self.folder.display()), &error))?;
        Ok(ExitStatus::Success)
    }
}

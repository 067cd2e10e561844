//! The command `onramp-webhooks completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::Cli;
use crate::exit::{CliError, ExitStatus};
use crate::output::Output;

const EXAMPLES: &str = "Examples:
  onramp-webhooks completions bash > ~/.local/share/bash-completion/completions/onramp-webhooks
  onramp-webhooks completions zsh > ~/.zfunc/_onramp-webhooks
  onramp-webhooks completions fish > ~/.config/fish/completions/onramp-webhooks.fish";

/// Write a completion script for a shell to standard output
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, output: &Output) -> Result<ExitStatus, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "onramp-webhooks", &mut script);
        output.raw(&script)?;
        Ok(ExitStatus::Success)
    }
}

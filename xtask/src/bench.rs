//! `cargo xtask bench`

use clap::Args;
use xshell::{Shell, cmd};

/// Measure, in release mode, and print ratios from one run.
#[derive(Args)]
pub(crate) struct Bench {
    /// Handed to the benchmark; `--help` lists what it takes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Bench {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let args = self.args;
        // The benchmark starts a program beside it, so both have to be there.
        cmd!(sh, "cargo build --release --package onramp-webhooks-bench").run()?;
        Ok(cmd!(sh, "cargo run --release --package onramp-webhooks-bench -- {args...}").run()?)
    }
}

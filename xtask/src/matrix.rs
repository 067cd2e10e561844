//! `cargo xtask matrix`

use clap::Args;
use xshell::{Shell, cmd};

/// Run every conformance case on every adapter and store, and compare what they answer.
#[derive(Args)]
pub(crate) struct Matrix {
    /// `--adapter`, `--store` and `--case` select, `--without` leaves out; `--help` lists all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Matrix {
    pub(crate) fn complete() -> Self {
        Self { args: Vec::new() }
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let args = &self.args;
        Ok(cmd!(sh, "cargo run --quiet --package onramp-webhooks-matrix -- {args...}").run()?)
    }
}

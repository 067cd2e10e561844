//! `cargo xtask matrix`

use anyhow::ensure;
use clap::Args;
use xshell::{Shell, cmd};

use crate::postgres;

/// Run every conformance case on every adapter and store, and compare what they answer.
#[derive(Args)]
pub(crate) struct Matrix {
    /// `--adapter`, `--store` and `--case` select, `--without` leaves out; `--help` lists all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Matrix {
    /// All of it, and a failure where something is missing for that.
    pub(crate) fn complete(sh: &Shell) -> anyhow::Result<()> {
        ensure!(postgres::is_there(), "the matrix has to be complete, and {}", postgres::WANTED);
        Self { args: Vec::new() }.run(sh)
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let args = &self.args;
        let without: &[&str] = if postgres::is_there() { &[] } else { &["--without-store", "postgres"] };
        cmd!(sh, "cargo run --quiet --package onramp-webhooks-matrix -- {without...} {args...}").run()?;
        if !without.is_empty() {
            println!("left out: postgres: {}", postgres::WANTED);
        }
        Ok(())
    }
}

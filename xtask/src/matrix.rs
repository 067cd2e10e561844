//! `cargo xtask matrix`

use anyhow::ensure;
use clap::Args;
use xshell::{Shell, cmd};

use crate::services::Services;

/// Run every conformance case on every adapter and store, and compare the replies.
#[derive(Args)]
pub(crate) struct Matrix {
    /// Arguments of the matrix, such as `--adapter`, `--store`, `--case` and `--without`. `--help` lists all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Matrix {
    /// Runs the whole matrix.
    ///
    /// # Errors
    /// Returns an error if a case fails or a required server is missing.
    pub(crate) fn complete(sh: &Shell) -> anyhow::Result<()> {
        let services = Services::find(sh)?;
        let missing: Vec<_> = services.missing().map(|kind| kind.missing).collect();
        ensure!(missing.is_empty(), "the matrix would be incomplete: {}", missing.join("; "));
        Self { args: Vec::new() }.run_with(sh, &services)
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        self.run_with(sh, &Services::find(sh)?)
    }

    fn run_with(self, sh: &Shell, services: &Services) -> anyhow::Result<()> {
        let _environment = services.enter(sh);
        let args = &self.args;
        let without = services.missing().flat_map(|kind| ["--without-store", kind.name]);
        cmd!(sh, "cargo run --quiet --package onramp-webhooks-matrix -- {without...} {args...}").run()?;
        for kind in services.missing() {
            println!("skipped: {}: {}", kind.name, kind.missing);
        }
        Ok(())
    }
}

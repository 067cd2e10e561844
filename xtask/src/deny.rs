//! `cargo xtask deny`

use anyhow::ensure;
use clap::Args;
use xshell::{Shell, cmd};

/// Check licences, duplicates and sources of the dependencies against `deny.toml`.
///
/// Runs cargo-deny. The database of advisories is on GitHub, so `--advisories` needs the network.
#[derive(Args)]
pub(crate) struct Deny {
    /// Also check for security advisories.
    #[arg(long)]
    advisories: bool,
}

impl Deny {
    pub(crate) fn offline() -> Self {
        Self { advisories: false }
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        ensure!(is_installed(sh), "cargo-deny is not installed: run `cargo install --locked cargo-deny`");
        let advisories = self.advisories.then_some("advisories");
        Ok(cmd!(sh, "cargo deny --locked check --hide-inclusion-graph bans licenses sources {advisories...}").run()?)
    }
}

fn is_installed(sh: &Shell) -> bool {
    cmd!(sh, "cargo deny --version").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

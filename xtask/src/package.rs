//! `cargo xtask package`

use clap::Args;
use xshell::{Shell, cmd};

/// Check that the published crates can be packaged.
#[derive(Args)]
pub(crate) struct Package {}

impl Package {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        Ok(cmd!(sh, "cargo publish --workspace --dry-run --no-verify --allow-dirty").run()?)
    }
}

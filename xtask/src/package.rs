//! `cargo xtask package`

use xshell::{Shell, cmd};

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    Ok(cmd!(sh, "cargo publish --workspace --dry-run --allow-dirty").run()?)
}

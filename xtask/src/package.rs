//! `cargo xtask package`

use xshell::{Shell, cmd};

use crate::DEBUG;

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let _without = sh.push_env(DEBUG, "0");
    Ok(cmd!(sh, "cargo publish --workspace --dry-run --allow-dirty").run()?)
}

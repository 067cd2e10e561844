//! `cargo xtask coexist`

use xshell::{Shell, cmd};

use crate::DEBUG;

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let _without = sh.push_env(DEBUG, "0");
    let target = sh.var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    Ok(cmd!(sh, "cargo run --target-dir {target} --manifest-path tests/beside-sqlx/Cargo.toml").run()?)
}

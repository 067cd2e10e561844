//! `cargo xtask coexist`

use clap::Args;
use xshell::{Shell, cmd};

/// Build and run an application that uses both the SQLite inbox and sqlx's SQLite driver.
///
/// Only one crate of a build may link the SQLite library, so both must accept the same version of `libsqlite3-sys`. The application is a
/// separate workspace, because the lock file of this one would determine the version.
#[derive(Args)]
pub(crate) struct Coexist {}

impl Coexist {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let target = sh.var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        Ok(cmd!(sh, "cargo run --target-dir {target} --manifest-path tests/beside-sqlx/Cargo.toml").run()?)
    }
}

//! `cargo xtask coexist`

use clap::Args;
use xshell::{Shell, cmd};

/// Show that an application builds and runs that uses the SQLite inbox and sqlx's SQLite driver.
///
/// Only one crate of a build may link the SQLite library, so both must agree on one version of `libsqlite3-sys`. The application
/// is a workspace of its own, because in this one the lock file would settle the question.
#[derive(Args)]
pub(crate) struct Coexist {}

impl Coexist {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let target = sh.var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        Ok(cmd!(sh, "cargo run --target-dir {target} --manifest-path tests/beside-sqlx/Cargo.toml").run()?)
    }
}

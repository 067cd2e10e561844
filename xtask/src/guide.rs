//! `cargo xtask guide`

use xshell::{Shell, cmd};

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    if cmd!(sh, "mdbook --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        println!("mdbook is not installed, so the guide was not built; `cargo xtask tidy links` checks its links");
        return Ok(());
    }
    Ok(cmd!(sh, "mdbook build docs").run()?)
}

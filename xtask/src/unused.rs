//! `cargo xtask unused`

use anyhow::ensure;
use xshell::{Shell, cmd};

/// The package whose dependencies are used by the chapters of the guide only.
const GUIDE: &str = "onramp-webhooks-guide";

/// Runs cargo-shear, which reads the sources and not the examples of READMEs: those are listed in the manifests.
pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    ensure!(is_installed(sh), "cargo-shear is not installed: run `cargo install --locked cargo-shear`");
    Ok(cmd!(sh, "cargo shear --locked --deny-warnings --exclude {GUIDE}").run()?)
}

fn is_installed(sh: &Shell) -> bool {
    cmd!(sh, "cargo shear --version").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

//! `cargo xtask features`

use anyhow::ensure;
use xshell::{Shell, cmd};

/// Published packages with features.
const PACKAGES: [&str; 3] = ["onramp-webhooks-client", "onramp-webhooks-server", "onramp-webhooks-testkit"];

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let is_installed = cmd!(sh, "cargo hack --version").quiet().ignore_stdout().ignore_stderr().run().is_ok();
    ensure!(is_installed, "cargo-hack is not installed: run `cargo install --locked cargo-hack`");
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    cmd!(sh, "cargo hack check --each-feature {packages...}").run()?;
    // Nothing else in CI builds the program that libFuzzer runs.
    Ok(cmd!(sh, "cargo check --package onramp-webhooks-fuzz --features libfuzzer").run()?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_package_with_features_is_checked() {
        let crates = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")).unwrap();
        let mut found: Vec<_> = crates
            .map(|folder| folder.unwrap().path())
            .filter(|folder| std::fs::read_to_string(folder.join("Cargo.toml")).unwrap().contains("[features]"))
            .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        found.sort();
        assert_eq!(found, PACKAGES);
    }
}

//! `cargo xtask api`

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use clap::Args;
use public_api::{Builder, MINIMUM_NIGHTLY_RUST_VERSION};
use serde_json::Value;
use xshell::{Shell, cmd};

/// Compare the public items of the published libraries with the lists in `tests/api`.
///
/// A change of a list is a change for users, so it shows in the diff of a commit.
#[derive(Args, Default)]
pub(crate) struct Api {
    /// Write the lists instead.
    #[arg(long)]
    accept: bool,
}

/// The folder with a list for each library.
const LISTS: &str = "tests/api";

/// The format of rustdoc's JSON that `public-api` reads. It is not stable, so another compiler may need another version of `public-api`.
const FORMAT: u64 = 57;

impl Api {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let mut differences = Vec::new();
        for package in libraries(sh)? {
            let (items, list) = (items(sh, &package)?, Path::new(LISTS).join(format!("{package}.txt")));
            if self.accept {
                sh.write_file(&list, &items)?;
                continue;
            }
            let listed = sh.read_file(&list).unwrap_or_default();
            differences.extend(compared(&listed, &items).into_iter().map(|line| format!("{package}: {line}")));
        }
        if differences.is_empty() {
            return Ok(());
        }
        println!("{}", differences.join("\n"));
        bail!("{} public items differ from {LISTS}; if users may see that, run `cargo xtask api --accept`", differences.len())
    }
}

/// Returns the names of the published packages with a library.
fn libraries(sh: &Shell) -> anyhow::Result<Vec<String>> {
    let mut packages = Vec::new();
    for folder in sh.read_dir("crates")? {
        if folder.join("src/lib.rs").exists() {
            packages.push(folder.file_name().and_then(|name| name.to_str()).context("the name of a folder")?.to_owned());
        }
    }
    Ok(packages)
}

/// Returns the public items of a library, a line each.
fn items(sh: &Shell, package: &str) -> anyhow::Result<String> {
    // A folder of its own, because build scripts run again when this variable changes.
    let folder = "target/api";
    let rustdoc = cmd!(sh, "cargo rustdoc --package {package} --lib --all-features --target-dir {folder} --quiet");
    let json = ["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"];
    rustdoc.args(json).env("RUSTC_BOOTSTRAP", "1").run()?;
    let json = sh.current_dir().join(folder).join("doc").join(format!("{}.json", package.replace('-', "_")));
    let written: Value = serde_json::from_str(&sh.read_file(&json)?)?;
    let format = written.get("format_version").and_then(Value::as_u64);
    ensure!(
        format == Some(FORMAT),
        "this rustdoc writes format {format:?}, and `public-api` reads {FORMAT}: change both (needs {MINIMUM_NIGHTLY_RUST_VERSION} or later)"
    );
    let api = Builder::from_rustdoc_json(json)
        .omit_auto_derived_impls(true)
        .omit_auto_trait_impls(true)
        .omit_blanket_impls(true)
        .build()
        .with_context(|| format!("reading the items of {package}"))?;
    Ok(api.items().map(|item| format!("{item}\n")).collect())
}

/// Returns the lines that only one of two lists has, with a sign before each.
fn compared(listed: &str, found: &str) -> Vec<String> {
    let (listed, found): (BTreeSet<_>, BTreeSet<_>) = (listed.lines().collect(), found.lines().collect());
    let missing = listed.difference(&found).map(|line| format!("-{line}"));
    missing.chain(found.difference(&listed).map(|line| format!("+{line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_and_what_is_gone_differs() {
        assert_eq!(compared("a\nb\n", "b\nc\n"), ["-a", "+c"]);
        assert!(compared("a\nb\n", "a\nb\n").is_empty());
    }
}

//! `cargo xtask minimal`

use std::ffi::OsString;

use xshell::{Shell, cmd};

/// The folders that are not copied.
const LEFT_OUT: [&str; 2] = [".git", "target"];

/// Checks the published packages with the oldest versions of their direct dependencies that the manifests allow. It does so in a copy, which
/// has a lock file of its own.
pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let packages: Vec<_> = sh.read_dir("crates")?.into_iter().filter_map(|folder| folder.file_name().map(Into::into)).collect();
    let packages: Vec<OsString> = packages.into_iter().flat_map(|package| ["--package".into(), package]).collect();
    let copy = sh.current_dir().join("target/minimal/copy");
    sh.remove_path(&copy)?;
    sh.create_dir(&copy)?;
    let is_copied = |path: &std::path::PathBuf| path.file_name().is_some_and(|name| LEFT_OUT.iter().all(|other| name != *other));
    for path in sh.read_dir(".")?.into_iter().filter(is_copied) {
        cmd!(sh, "cp -R {path} {copy}").quiet().run()?;
    }
    let _copy = sh.push_dir(&copy);
    // The option is not stable.
    cmd!(sh, "cargo update -Zdirect-minimal-versions").env("RUSTC_BOOTSTRAP", "1").quiet().run()?;
    Ok(cmd!(sh, "cargo check --locked --target-dir ../target {packages...}").run()?)
}

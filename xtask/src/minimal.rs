//! `cargo xtask minimal`

use xshell::{Shell, cmd};

/// Checks the published packages with the oldest versions of their direct dependencies that the manifests allow, in a copy of the last
/// commit.
pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let packages: Vec<_> = sh.read_dir("crates")?.into_iter().filter_map(|folder| folder.file_name().map(Into::into)).collect();
    let packages: Vec<std::ffi::OsString> = packages.into_iter().flat_map(|package| ["--package".into(), package]).collect();
    let copy = sh.current_dir().join("target/minimal/copy");
    sh.remove_path(&copy)?;
    cmd!(sh, "git worktree prune").run()?;
    cmd!(sh, "git worktree add --force --detach {copy} HEAD").run()?;
    let _copy = sh.push_dir(&copy);
    // The option is not stable.
    cmd!(sh, "cargo update -Zdirect-minimal-versions").env("RUSTC_BOOTSTRAP", "1").quiet().run()?;
    Ok(cmd!(sh, "cargo check --locked --target-dir ../target {packages...}").run()?)
}

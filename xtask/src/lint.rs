//! `cargo xtask lint`

use xshell::{Shell, cmd};

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    format(sh)?;
    clippy(sh)?;
    documentation(sh)
}

pub(crate) fn format(sh: &Shell) -> anyhow::Result<()> {
    cmd!(sh, "cargo fmt --all --check").run()?;
    cmd!(sh, "cargo fmt --manifest-path bench/peers/Cargo.toml --check").run()?;
    Ok(cmd!(sh, "cargo fmt --manifest-path tests/beside-sqlx/Cargo.toml --check").run()?)
}

pub(crate) fn clippy(sh: &Shell) -> anyhow::Result<()> {
    Ok(cmd!(sh, "cargo clippy --workspace --all-targets -- -D warnings").run()?)
}

pub(crate) fn documentation(sh: &Shell) -> anyhow::Result<()> {
    Ok(cmd!(sh, "cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings").run()?)
}

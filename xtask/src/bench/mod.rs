//! `cargo xtask bench`

mod against;
mod tables;

use clap::Args;
use xshell::{Shell, cmd};

/// Run the benchmarks in release mode, and print ratios from one run.
#[derive(Args)]
pub(crate) struct Bench {
    /// Also build this revision of the repository, measure both in turn, and print every figure with its ratio to that of the revision.
    #[arg(long, value_name = "REV")]
    against: Option<String>,
    /// Measure both so many times with `--against`. Every figure is the median.
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// Arguments of the benchmark. `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Bench {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        match self.against {
            Some(revision) => against::run(sh, &revision, self.turns.max(1), &self.args),
            None => run(sh, Some("--release"), &self.args),
        }
    }
}

/// Runs every benchmark once, to check that they work. The figures are not meaningful.
pub(crate) fn smoke(sh: &Shell) -> anyhow::Result<()> {
    run(sh, None, &["--quick".to_owned()])
}

fn run(sh: &Shell, profile: Option<&str>, args: &[String]) -> anyhow::Result<()> {
    // The benchmark starts other programs.
    cmd!(sh, "cargo build {profile...} --package onramp-webhooks-bench --package onramp-webhooks-cli").run()?;
    if args.iter().any(|arg| arg == "--peers") {
        let target = sh.var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        cmd!(sh, "cargo build {profile...} --target-dir {target} --manifest-path bench/peers/Cargo.toml").run()?;
    }
    Ok(cmd!(sh, "cargo run {profile...} --package onramp-webhooks-bench -- {args...}").run()?)
}

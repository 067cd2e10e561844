//! `cargo xtask soak`

use clap::Args;
use xshell::{Shell, cmd};

/// Run a fleet of shops under faults for a time, and audit it: three receivers and four workers on one database behind PgBouncer.
///
/// Needs PostgreSQL and PgBouncer, Linux, and a user who may mount a file system. `cargo xtask test` runs a minute of it.
#[derive(Args)]
pub(crate) struct Soak {
    /// The time.
    #[arg(long, default_value_t = 30)]
    minutes: u32,
    /// The number of purchases that begin in a second.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// The seed of the purchases and of the faults, which each soak prints.
    #[arg(long)]
    seed: Option<u64>,
}

impl Soak {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let _seconds = sh.push_env("SOAK_SECONDS", (60 * u64::from(self.minutes)).to_string());
        let _rate = sh.push_env("SOAK_RATE", self.rate.to_string());
        let _seed = self.seed.map(|seed| sh.push_env("SOAK_SEED", seed.to_string()));
        // cargo-nextest would stop a long one.
        cmd!(sh, "cargo test --package axum-shop --test suite -- --nocapture soaked::").run()?;
        Ok(())
    }
}

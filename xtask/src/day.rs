//! `cargo xtask day`

use clap::Args;
use xshell::{Shell, cmd};

/// Run a day in the life of a shop, with and without confirmation, on SQLite and on PostgreSQL.
///
/// `cargo xtask test` runs the same days with few purchases, for all shops.
#[derive(Args)]
pub(crate) struct Day {
    /// The number of purchases, at least 240.
    #[arg(long, default_value_t = 100_000)]
    purchases: u32,
    /// The seed of the purchases and of the troubles, which each day prints.
    #[arg(long)]
    seed: Option<u64>,
    /// The framework of the shop: axum, actix or warp.
    #[arg(long, default_value = "axum")]
    shop: String,
    /// Run only days whose name contains one of these texts, such as `day::with_confirmation` or `dedicated_postgres::day`.
    #[arg(default_value = "day::")]
    filters: Vec<String>,
}

impl Day {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let Self { shop, filters, .. } = &self;
        let _purchases = sh.push_env("DAY_PURCHASES", self.purchases.to_string());
        let _seed = self.seed.map(|seed| sh.push_env("DAY_SEED", seed.to_string()));
        // One at a time, because each needs all cores. cargo-nextest would stop a long one.
        cmd!(sh, "cargo test --package {shop}-shop --test suite -- --nocapture --test-threads 1 {filters...}").run()?;
        Ok(())
    }
}

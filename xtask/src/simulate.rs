//! `cargo xtask simulate`

use clap::Args;
use xshell::{Shell, cmd};

/// Run simulations of a shop: receivers, workers, spills and lying providers on virtual time, with every order of events decided by a seed.
///
/// CI runs thousands of seeds in memory and hundreds on SQLite, which takes less than a minute after the build. Prints the command that
/// replays a seed that fails.
#[derive(Args)]
pub(crate) struct Simulate {
    /// The number of seeds. A single one is run with a trace.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The store: memory or sqlite.
    #[arg(long, default_value = "memory")]
    store: String,
}

impl Simulate {
    /// Runs the seeds of CI.
    pub(crate) fn some(sh: &Shell) -> anyhow::Result<()> {
        let some = [("memory", 5_000), ("sqlite", 300)].map(|(store, seeds)| Self { seeds, seed: 0, store: store.to_owned() });
        some.into_iter().try_for_each(|simulate| simulate.run(sh))
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let (seeds, seed, store) = (self.seeds.to_string(), self.seed.to_string(), self.store);
        let package = "onramp-webhooks-simulation";
        cmd!(sh, "cargo run --release --package {package} -- --seeds {seeds} --seed {seed} --store {store}").run()?;
        Ok(())
    }
}

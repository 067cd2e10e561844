//! Runs simulations: `cargo xtask simulate`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use onramp_webhooks_simulation::{Simulation, Store, simulate_many};

/// Run simulations of a shop, and audit its guarantees after each.
#[derive(Parser)]
struct Simulate {
    /// The number of seeds. A single one is run with a trace.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The store.
    #[arg(long, value_enum, default_value_t = Store::Memory)]
    store: Store,
}

fn main() -> ExitCode {
    let Simulate { seeds, seed, store } = Simulate::parse();
    let first = Simulation { prints: seeds == 1, ..Simulation::new(seed, store) };
    let (begun, events) = (Instant::now(), AtomicU64::new(0));
    let failures = simulate_many(first, seeds, |before, outcome| {
        events.fetch_add(outcome.events, Ordering::Relaxed);
        if (before + 1) % 10_000 == 0 {
            println!("{} seeds", before + 1);
        }
    });
    let (took, events) = (begun.elapsed().as_secs_f64(), events.into_inner());
    println!("{seeds} seeds, {events} events, {} failures, {:.0} seeds a second", failures.len(), seeds as f64 / took);
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

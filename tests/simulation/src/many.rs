//! Many simulations, on all cores.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::world::locked;
use crate::{Outcome, Simulation};

/// A simulation that broke a guarantee.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The simulation.
    pub simulation: Simulation,
    /// The guarantees that were broken.
    pub violations: Vec<String>,
}

/// Prints the command that replays the simulation, and the guarantees.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { simulation: Simulation { seed, store, .. }, violations } = self;
        write!(f, "seed {seed} failed; replay it with: cargo xtask simulate --seed {seed} --store {store}")?;
        violations.iter().try_for_each(|violation| write!(f, "\n    {violation}"))
    }
}

/// Runs a simulation with the seeds from its own on, and calls `ended` after each with the number of those before it. Returns the
/// failures.
pub fn simulate_many(first: Simulation, seeds: u64, ended: impl Fn(u64, &Outcome) + Sync) -> Vec<Failure> {
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds {
                return;
            }
            let simulation = Simulation { seed: first.seed.wrapping_add(number), ..first };
            let outcome = simulation.run();
            ended(number, &outcome);
            if !outcome.violations.is_empty() {
                let failure = Failure { simulation, violations: outcome.violations };
                println!("{failure}");
                locked(&failures).push(failure);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort_by_key(|failure: &Failure| failure.simulation.seed);
    failures
}

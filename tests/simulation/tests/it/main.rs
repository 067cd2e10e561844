//! Seeds of the simulation, and proofs that it can be repeated and finds bugs.

use onramp_webhooks_simulation::{Bug, Simulation, Store, simulate_many};

fn none_fails(store: Store, seeds: u64) {
    let failures = simulate_many(Simulation::new(0, store), seeds, |_, _| {});
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {seeds} seeds failed:\n{}", failures.len(), texts.join("\n"));
}

#[test]
fn seeds_in_memory() {
    none_fails(Store::Memory, 50);
}

#[test]
fn seeds_on_sqlite() {
    none_fails(Store::Sqlite, 15);
}

#[test]
fn a_seed_does_the_same_again() {
    for (store, seeds) in [(Store::Memory, 100..104), (Store::Sqlite, 100..102)] {
        for seed in seeds {
            let outcome = || Simulation::new(seed, store).run();
            assert_eq!(outcome(), outcome(), "seed {seed} on {store}");
        }
    }
}

#[test]
fn another_seed_does_something_else() {
    let hash = |seed| Simulation::new(seed, Store::Memory).run().hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_store_that_loses_what_it_has_acknowledged_is_found() {
    found(Bug::LosesRecords, "never handled");
}

#[test]
fn a_handler_that_credits_again_is_found() {
    found(Bug::CreditsTwice, "was credited");
}

#[test]
fn a_check_that_believes_everything_is_found() {
    found(Bug::BelievesEvents, "is forged and was handled");
}

#[test]
fn a_claim_of_what_another_worker_holds_is_found() {
    found(Bug::ClaimsTwice, "was held");
}

/// Runs seeds until one finds a bug.
fn found(bug: Bug, violation: &str) {
    let finds = |seed: &u64| {
        let outcome = Simulation { bug: Some(bug), ..Simulation::new(*seed, Store::Memory) }.run();
        outcome.violations.iter().any(|found| found.contains(violation))
    };
    assert!((0..300).any(|seed| finds(&seed)), "{bug:?} was not found");
}

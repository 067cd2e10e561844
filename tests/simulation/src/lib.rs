//! Deterministic simulation of a shop: receivers, workers, spills, lying providers and the shop's ledger, in one thread on virtual time.
//!
//! One seed decides everything: the purchases and the forgeries, the delays and failures of every call, lost answers, crashes, frozen
//! processes, and jumps of the clock. After each run, an audit checks the guarantees. See the README.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "a test, which nothing depends on")]

mod api;
mod audit;
mod blocking;
mod check;
mod clock;
mod inbox;
mod life;
mod machine;
mod many;
mod model;
mod operator;
mod plan;
mod posts;
mod run;
mod sender;
mod shop;
mod spill;
mod trace;
mod world;

use std::fmt;

use clap::ValueEnum;

pub use self::many::{Failure, simulate_many};
pub use self::run::{Outcome, Simulation};

/// The store of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// The inbox in memory.
    Memory,
    /// The inbox in SQLite.
    Sqlite,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        })
    }
}

/// A bug that a simulation contains on purpose, to show that the audit finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The store says that it has recorded a delivery, and sometimes has not.
    LosesRecords,
    /// The handler credits every purchase at each attempt.
    CreditsTwice,
    /// The check before the handler believes every event.
    BelievesEvents,
    /// A claim returns deliveries that another worker holds.
    ClaimsTwice,
}

//! A run: builds the world of a seed, lets it happen, and audits it.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::{Filter, Inbox, MemoryInbox, State, list_all};
use onramp_webhooks_sqlite::SqliteInbox;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::audit::audit;
use crate::blocking::{Blocking, block};
use crate::machine::Machine;
use crate::operator::operate;
use crate::plan::Plan;
use crate::sender::{Log, send};
use crate::world::World;
use crate::{Bug, Store};

/// The time after the end of all faults within which everything is acknowledged, and then within which everything is settled.
const LONGEST_END: Duration = Duration::from_secs(1_800);

/// A simulation of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// The seed, which decides everything.
    pub seed: u64,
    /// The store.
    pub store: Store,
    /// A bug on purpose.
    pub bug: Option<Bug>,
    /// Prints everything that happens.
    pub prints: bool,
}

/// The end of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of everything that happened.
    pub hash: u64,
    /// The number of things that happened.
    pub events: u64,
    /// The guarantees that were broken.
    pub violations: Vec<String>,
}

impl Simulation {
    /// Creates a simulation without a bug.
    #[must_use]
    pub const fn new(seed: u64, store: Store) -> Self {
        Self { seed, store, bug: None, prints: false }
    }

    /// Runs the simulation on this thread.
    ///
    /// # Panics
    /// If no runtime can be built, or if the SQLite store cannot be opened.
    #[must_use]
    pub fn run(self) -> Outcome {
        fastrand::seed(self.seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
            let store: Arc<dyn Inbox> = match self.store {
                Store::Memory => Arc::new(MemoryInbox::new()),
                Store::Sqlite => {
                    let inbox = block(SqliteInbox::open(folder.path().join("shop.db")));
                    Arc::new(Blocking(inbox.unwrap_or_else(|error| panic!("no store: {error}"))))
                }
            };
            let world = Arc::new(World::new(Plan::draw(), self.bug, self.prints));
            if let Err(error) = run(&world, &store).await {
                world.violated(format!("the store failed: {error}"));
            }
            let (hash, events, violations) = world.results();
            Outcome { hash, events, violations }
        })
    }
}

async fn run(world: &Arc<World>, store: &Arc<dyn Inbox>) -> Result<(), StoreError> {
    let machines: Vec<_> = (0..world.plan.machines).map(|_| Arc::new(Machine::new(world, store))).collect();
    let (machines, log) = (Arc::new(machines), Arc::new(Log::new(world)));
    let mut running: JoinSet<()> = machines.iter().map(|machine| Arc::clone(machine).run()).collect();
    running.spawn(jumps(Arc::clone(world)));
    let posts = 0..world.posts.all.len();
    let mut sending: JoinSet<()> =
        posts.map(|number| send(Arc::clone(world), Arc::clone(&machines), Arc::clone(&log), number)).collect();
    sleep(world.plan.chaos).await;
    world.end_faults();
    if timeout(LONGEST_END, async { while sending.join_next().await.is_some() {} }).await.is_err() {
        world.violated("an event was never acknowledged".to_owned());
    }
    settle(world, &**store, &machines).await?;
    let records = list_all(&**store, Filter::all().with_bodies()).await?;
    audit(world, &records, &log.all());
    Ok(())
}

/// Waits until nothing waits any more.
async fn settle(world: &World, store: &dyn Inbox, machines: &[Arc<Machine>]) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        let open = operate(world, store).await?;
        let counts = store.open_counts().await?;
        let waits: u64 = State::ALL.into_iter().filter(|state| state.waits()).map(|state| counts.of(state)).sum();
        let mut spilled = 0;
        for machine in machines {
            spilled += machine.spilled().await;
        }
        if (open, waits, spilled) == (0, 0, 0) {
            return Ok(());
        }
        if begun.elapsed() > LONGEST_END {
            world.violated(format!("{waits} deliveries wait, {spilled} are in spills, and {open} genuine ones are not handled"));
            return Ok(());
        }
        sleep(Duration::from_secs(5)).await;
    }
}

/// Lets the wall clock jump.
async fn jumps(world: Arc<World>) {
    let mut jumps = world.plan.jumps.clone();
    jumps.sort_unstable();
    for (at, millis) in jumps {
        sleep(at.saturating_sub(world.elapsed())).await;
        world.jump(millis);
    }
}

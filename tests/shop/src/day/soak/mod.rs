//! A soak: a day on a budget of time, with a fleet of processes and one fault after the other.
//!
//! Three receivers with spills on a small disk and four workers share a database behind PgBouncer. Customers buy at a steady
//! pace, with the forgeries, the repeated events and the disorder of a [day](super). Meanwhile, processes are killed, stopped and
//! frozen, the database crashes, restarts and freezes, the pooler is killed, the disk is full, and the providers' APIs fail, in
//! an order that a seed decides. The first receiver and the first worker never end.
//!
//! In the end, every acknowledged event is in the inbox, no delivery was handled twice, the points of every customer are exact,
//! no forgery gained more than in a day, and in the last quarter of the time no process used more memory or descriptors than in
//! the second one, within the bounds in `usages.rs`.
//!
//! `SOAK_SECONDS` sets the time, `SOAK_RATE` the purchases in a second, and `SOAK_SEED` the seed. `cargo xtask soak` sets all of
//! them.

mod audit;
mod fault;
mod fleet;
mod usages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use onramp_webhooks_testkit::provider::FakeProvider;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::fault::Fault;
use self::fleet::Fleet;
use self::usages::Usages;
use super::evening::Evening;
use super::plan::{FEWEST, plan};
use super::post::Post;
use super::shops::asking;
use super::world::{AT_ONCE, World};
use crate::home::Subject;

/// The number of events that may be repeated, and the number of those that are repeated at the end.
const REMEMBERED: usize = 5_000;
const REPEATED: usize = 1_000;

/// The pause between two runs of the reconciliation, in seconds.
const RECONCILE_EVERY: usize = 5;

/// The longest pause between two faults.
const PAUSE: Duration = Duration::from_secs(6);

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A running soak.
struct Soak {
    fleet: Fleet,
    world: Arc<World>,
    random: Rng,
    usages: Usages,
    faults: BTreeMap<Fault, usize>,
    begun: Instant,
    length: Duration,
}

/// Customers who buy until they are stopped.
struct Customers {
    tasks: JoinSet<()>,
    next: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

/// Runs a soak.
pub(crate) async fn run(subject: Subject) {
    let number = |variable, default| std::env::var(variable).map_or(default, |value| value.parse::<u64>().unwrap());
    let (seconds, rate, seed) = (number("SOAK_SECONDS", 45), number("SOAK_RATE", 8), number("SOAK_SEED", fastrand::u64(..)));
    println!("SOAK_SECONDS={seconds} SOAK_RATE={rate} SOAK_SEED={seed}");
    let mut soak = Soak::begin(subject, seconds, rate, seed).await;
    let mut customers = soak.customers(rate);
    soak.troubles(&mut customers).await;
    let purchases = customers.stop().await;
    Arc::get_mut(&mut soak.world).unwrap().purchases.truncate(purchases);
    soak.end().await;
}

impl Soak {
    async fn begin(subject: Subject, seconds: u64, rate: u64, seed: u64) -> Self {
        let (mut random, provider) = (Rng::with_seed(seed), FakeProvider::start().await);
        let fleet = Fleet::start(subject, asking(&provider, RECONCILE_EVERY)).await;
        // Faults may take longer than the time.
        let purchases = FEWEST + usize::try_from(seconds * rate * 3 / 2).unwrap();
        let post = Post::to(Arc::clone(&fleet.clients), REMEMBERED);
        let world = Arc::new(World::new(plan(purchases, &mut random), provider, post, true, seed));
        world.opening(&mut random).await;
        let length = Duration::from_secs(seconds);
        Self { fleet, world, random, usages: Usages::over(length), faults: BTreeMap::new(), begun: Instant::now(), length }
    }

    /// Has customers begin so many purchases in a second.
    fn customers(&self, rate: u64) -> Customers {
        let (next, stopped, mut tasks) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default(), JoinSet::new());
        let (begun, every) = (self.begun, SECOND / u32::try_from(rate).unwrap());
        for _ in 0..AT_ONCE {
            let (world, next, stopped) = (Arc::clone(&self.world), Arc::clone(&next), Arc::clone(&stopped));
            tasks.spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    if position >= world.purchases.len() {
                        return;
                    }
                    tokio::time::sleep_until(begun + every * u32::try_from(position).unwrap()).await;
                    world.buy(position).await;
                }
            });
        }
        Customers { tasks, next, stopped }
    }

    /// Has one fault after the other, each at least once, until the time is over.
    async fn troubles(&mut self, customers: &mut Customers) {
        let pause = PAUSE.min(self.length / 2 / u32::try_from(Fault::ALL.len()).unwrap());
        let (mut faults, mut next_fault, mut next_report) = (Vec::new(), pause, MINUTE);
        while self.begun.elapsed() < self.length || self.faults.len() < Fault::ALL.len() {
            customers.tasks.try_join_next().transpose().unwrap();
            self.fleet.measure(self.begun.elapsed(), &mut self.usages);
            if self.begun.elapsed() >= next_report {
                self.report();
                next_report += MINUTE;
            }
            if self.begun.elapsed() < next_fault {
                tokio::time::sleep(SECOND).await;
                continue;
            }
            if faults.is_empty() {
                faults.extend(Fault::ALL);
                self.random.shuffle(&mut faults);
            }
            let fault = faults.pop().unwrap();
            fault.happen(&mut self.fleet, &self.world, &mut self.random).await;
            *self.faults.entry(fault).or_default() += 1;
            self.world.cure();
            next_fault = self.begun.elapsed() + pause;
        }
    }

    fn report(&self) {
        let (counts, waiting) = (self.world.post.counts().clone(), self.fleet.home.database().waiting());
        println!(
            "{} min: {} events acknowledged, {} sent again, {} forged, {} faults, {waiting} wait",
            self.begun.elapsed().as_secs() / 60,
            counts.acknowledged,
            counts.repeated,
            self.world.forged.lock().unwrap().len(),
            self.faults.values().sum::<usize>(),
        );
    }

    /// Waits until everything is handled, with the operator's help, and audits it.
    async fn end(&mut self) {
        let over = Instant::now();
        self.world.cure();
        let evening = Evening { home: &self.fleet.home, world: &self.world };
        evening.in_time(async || (!self.fleet.has_moved().await).then(|| "deliveries wait in spills".to_owned())).await;
        evening.settles().await;
        let handled = over.elapsed();
        evening.repair().await;
        evening.settles().await;
        evening.mend().await;
        self.world.post.repeat(REPEATED, &mut self.random).await;
        let database = self.fleet.home.database();
        evening.in_time(async || (database.unhandled() > 0).then(|| "the repeated events".to_owned())).await;
        evening.settles().await;
        self.fleet.stop().await;
        let evening = Evening { home: &self.fleet.home, world: &self.world };
        let mut violations = audit::violations(&evening, &self.fleet.handled).await;
        violations.extend(self.usages.violations(&Fleet::names()));
        self.print(handled);
        assert!(violations.is_empty(), "{}", violations.join("\n"));
    }

    /// Prints the numbers of the soak.
    fn print(&self, handled: Duration) {
        let (counts, world) = (self.world.post.counts().clone(), &self.world);
        let row = |name: &str, value: String| println!("{name:<66} {value}");
        row("purchases", world.purchases.len().to_string());
        row("requests, of them without a response", format!("{}, {}", counts.requests, counts.unanswered));
        let refused = format!("{}, {}", counts.unavailable, counts.on_full_disk);
        row("events refused with status 503, of them while the disk was full", refused);
        row("slowest response", format!("{:.1?}", counts.slowest));
        row("events acknowledged", counts.acknowledged.to_string());
        row("events sent again", counts.repeated.to_string());
        row("forged events", world.forged.lock().unwrap().len().to_string());
        row("requests of strangers, refused", counts.refused.to_string());
        row("deliveries handled", self.fleet.handled.len().to_string());
        for (fault, number) in &self.faults {
            row(&fault.name(), number.to_string());
        }
        row("everything handled after the last event", format!("{handled:.1?}"));
        println!("{}", self.usages.table(&Fleet::names()));
    }
}

impl Customers {
    /// Waits for the purchases that have begun, and returns their number.
    async fn stop(self) -> usize {
        self.stopped.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        self.next.load(Ordering::Relaxed)
    }
}

//! The plan of a run, drawn from its seed: settings, faults, and the time at which the faults end.

use std::ops::Range;
use std::time::Duration;

use onramp_webhooks::worker::RetryPolicy;

/// The settings and the faults of a run. Each kind of fault is absent from half of the runs, because one can hide another.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) machines: usize,
    pub(crate) has_spill: bool,
    pub(crate) is_transactional: bool,
    /// No faults but a flood and a slow API. The audit then bounds how long deliveries wait.
    pub(crate) is_calm: bool,
    /// The time until all faults end.
    pub(crate) chaos: Duration,
    pub(crate) calls: CallFaults,
    pub(crate) outages: Vec<Outage>,
    pub(crate) spill_error: f64,
    pub(crate) processes: ProcessFaults,
    pub(crate) jumps: Vec<(Duration, i64)>,
    pub(crate) handler: HandlerFaults,
    pub(crate) api: ApiFaults,
    /// The probability that a request or a response is lost.
    pub(crate) network_loss: f64,
    pub(crate) worker: WorkerSettings,
    pub(crate) orders: u64,
    pub(crate) purchases: u64,
    pub(crate) forgeries: u64,
}

/// The probabilities of faults of a call of the store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallFaults {
    /// It takes up to three seconds.
    pub(crate) slow: f64,
    /// It fails and has no effect.
    pub(crate) error: f64,
    /// It has no effect, and fails after a minute.
    pub(crate) hang: f64,
    /// It has its effect and fails.
    pub(crate) lost: f64,
    /// It has its effect, and fails after a minute.
    pub(crate) lost_late: f64,
    /// A renewal of leases fails.
    pub(crate) renewal: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(crate) times: Range<Duration>,
    pub(crate) hangs: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFaults {
    pub(crate) crash: f64,
    pub(crate) freeze: f64,
    pub(crate) restart: f64,
    pub(crate) crash_at_call: f64,
    pub(crate) freeze_at_call: f64,
    /// The number of times that the poison ends the process of its handler.
    pub(crate) poison: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HandlerFaults {
    pub(crate) error: f64,
    pub(crate) slow: f64,
    pub(crate) panic: f64,
    /// It fails after its writes.
    pub(crate) late_error: f64,
}

/// The probabilities of wrong answers of the provider's API.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ApiFaults {
    pub(crate) slow: f64,
    pub(crate) hang: f64,
    pub(crate) error: f64,
    /// It does not know the order.
    pub(crate) forgets: f64,
    /// It returns other amounts.
    pub(crate) lies: f64,
    /// It returns another order.
    pub(crate) confuses: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerSettings {
    pub(crate) concurrency: usize,
    pub(crate) checks: usize,
    pub(crate) batch: usize,
    pub(crate) lease: Duration,
    pub(crate) attempt: Duration,
    pub(crate) poll: Duration,
    pub(crate) grace: Duration,
    pub(crate) longest_park: Duration,
    pub(crate) retry: RetryPolicy,
}

impl Plan {
    pub(crate) fn draw() -> Self {
        let is_calm = chance(0.1);
        let chaos = seconds(10..60);
        Self {
            machines: fastrand::usize(1..=3),
            has_spill: fastrand::bool(),
            is_transactional: fastrand::bool(),
            is_calm,
            chaos,
            calls: some(is_calm).then(CallFaults::draw).unwrap_or_default(),
            outages: (0..fastrand::usize(0..3)).filter(|_| some(is_calm)).map(|_| Outage::draw(chaos)).collect(),
            spill_error: rate(is_calm, 0.1),
            processes: ProcessFaults::draw(is_calm),
            jumps: (0..fastrand::usize(0..5)).filter(|_| some(is_calm)).map(|_| (part_of(chaos), jump())).collect(),
            handler: HandlerFaults::draw(is_calm),
            api: ApiFaults::draw(is_calm),
            network_loss: rate(is_calm, 0.2),
            worker: WorkerSettings::draw(),
            orders: fastrand::u64(1..6),
            purchases: fastrand::u64(0..4),
            forgeries: if is_calm { 40 } else { fastrand::u64(0..6) },
        }
    }
}

impl CallFaults {
    fn draw() -> Self {
        Self {
            slow: rate(false, 0.2),
            error: rate(false, 0.15),
            hang: rate(false, 0.03),
            lost: rate(false, 0.1),
            lost_late: rate(false, 0.03),
            renewal: rate(false, 1.0),
        }
    }
}

impl Outage {
    fn draw(chaos: Duration) -> Self {
        let begins = part_of(chaos);
        Self { times: begins..begins + seconds(1..20), hangs: fastrand::bool() }
    }
}

impl ProcessFaults {
    fn draw(is_calm: bool) -> Self {
        let poison = if some(is_calm) && chance(0.3) { fastrand::u32(1..8) } else { 0 };
        Self {
            crash: rate(is_calm, 1.0),
            freeze: rate(is_calm, 1.0),
            restart: rate(is_calm, 1.0),
            crash_at_call: rate(is_calm, 0.02),
            freeze_at_call: rate(is_calm, 0.04),
            poison,
        }
    }
}

impl HandlerFaults {
    fn draw(is_calm: bool) -> Self {
        let at_most = |most| rate(is_calm, most);
        Self { error: at_most(0.4), slow: at_most(0.6), panic: at_most(0.1), late_error: at_most(0.2) }
    }
}

impl ApiFaults {
    /// The API is also slow in a calm run.
    fn draw(is_calm: bool) -> Self {
        let at_most = |most| rate(is_calm, most);
        Self {
            slow: rate(false, 0.5),
            hang: rate(false, 0.2),
            error: at_most(0.3),
            forgets: at_most(0.3),
            lies: at_most(0.3),
            confuses: at_most(0.1),
        }
    }
}

impl WorkerSettings {
    fn draw() -> Self {
        Self {
            concurrency: fastrand::usize(1..5),
            checks: fastrand::usize(1..5),
            batch: fastrand::usize(1..9),
            lease: seconds(1..15),
            attempt: seconds(2..15),
            poll: seconds(1..5),
            grace: seconds(1..5),
            longest_park: seconds(30..60),
            retry: RetryPolicy::new(fastrand::u32(2..8), seconds(1..3), seconds(3..10)),
        }
    }
}

/// Returns `true` with a probability.
pub(crate) fn chance(probability: f64) -> bool {
    fastrand::f64() < probability
}

/// Returns a random time of less than `most` milliseconds.
pub(crate) fn millis(most: u64) -> Duration {
    Duration::from_millis(fastrand::u64(0..most))
}

/// Returns a random number of whole seconds.
fn seconds(range: Range<u64>) -> Duration {
    Duration::from_secs(fastrand::u64(range))
}

/// Decides about a kind of fault.
fn some(is_calm: bool) -> bool {
    fastrand::bool() && !is_calm
}

/// Returns a random probability, which is often zero.
fn rate(is_calm: bool, most: f64) -> f64 {
    if some(is_calm) { fastrand::f64() * most } else { 0.0 }
}

fn part_of(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64())
}

/// Returns the milliseconds of a jump of the clock, forwards or backwards.
fn jump() -> i64 {
    let most = if fastrand::bool() { 5_000 } else { 120_000 };
    fastrand::i64(-most..most)
}

//! The state of the simulated world that no process owns.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use tokio::time::Instant;

use crate::Bug;
use crate::api::Api;
use crate::life::Life;
use crate::model::Model;
use crate::plan::{Plan, millis};
use crate::posts::Posts;
use crate::shop::Ledger;
use crate::trace::Trace;

/// The wall clock at the beginning.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) bug: Option<Bug>,
    pub(crate) posts: Posts,
    pub(crate) api: Api,
    begun: Instant,
    /// The milliseconds by which the wall clock has jumped.
    jumped: AtomicI64,
    faults_ended: AtomicBool,
    processes: AtomicU64,
    poison_left: AtomicU32,
    model: Mutex<Model>,
    ledger: Mutex<Ledger>,
    trace: Mutex<Trace>,
    violations: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn new(plan: Plan, bug: Option<Bug>, prints: bool) -> Self {
        let posts = Posts::draw(&plan);
        let api = Api::new(&posts);
        Self {
            bug,
            posts,
            api,
            begun: Instant::now(),
            jumped: AtomicI64::new(0),
            faults_ended: AtomicBool::new(false),
            processes: AtomicU64::new(0),
            poison_left: AtomicU32::new(plan.processes.poison),
            plan,
            model: Mutex::default(),
            ledger: Mutex::default(),
            trace: Mutex::new(Trace::new(prints)),
            violations: Mutex::default(),
        }
    }

    /// Returns the virtual time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Returns the wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        let jumped = self.jumped.load(Ordering::Relaxed);
        Timestamp::from_millis(START.after(self.elapsed()).as_millis() + jumped)
    }

    pub(crate) fn jump(&self, millis: i64) {
        self.note(format_args!("the clock jumps by {millis} ms"));
        self.jumped.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn has_faults(&self) -> bool {
        !self.faults_ended.load(Ordering::Relaxed)
    }

    pub(crate) fn end_faults(&self) {
        self.note(format_args!("the faults end"));
        self.faults_ended.store(true, Ordering::Relaxed);
    }

    /// Returns the number of a new process.
    pub(crate) fn next_process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// Decides whether a fault of this probability happens now.
    pub(crate) fn fails(&self, probability: f64) -> bool {
        probability > 0.0 && self.has_faults() && crate::plan::chance(probability)
    }

    /// Uses some of the poison. Returns whether any was left.
    pub(crate) fn uses_poison(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.poison_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// A point at which a process can crash or freeze. Waits until it runs.
    pub(crate) async fn passes(&self, life: &Life) {
        if self.fails(self.plan.processes.crash_at_call) {
            self.note(format_args!("process {} crashes", life.number()));
            life.crash();
        } else if self.fails(self.plan.processes.freeze_at_call) {
            self.note(format_args!("process {} freezes", life.number()));
            life.freeze(millis(60_000));
        }
        life.runs().await;
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        locked(&self.model)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// Adds an event to the trace.
    pub(crate) fn note(&self, event: fmt::Arguments<'_>) {
        locked(&self.trace).add(self.elapsed().as_millis(), event);
    }

    /// Reports a broken guarantee.
    pub(crate) fn violated(&self, guarantee: String) {
        self.note(format_args!("VIOLATION: {guarantee}"));
        locked(&self.violations).push(guarantee);
    }

    /// Returns the hash and the number of events, and the violations.
    pub(crate) fn results(&self) -> (u64, u64, Vec<String>) {
        let trace = locked(&self.trace);
        (trace.hash(), trace.events(), locked(&self.violations).clone())
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// Locks a mutex of this thread. One that a panicking handler held is intact.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

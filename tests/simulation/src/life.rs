//! The life of a simulated process: it runs, is frozen for a time, or has crashed.
//!
//! A crashed process is one whose calls never return. Nothing that it does reaches a store, a provider or the shop any more, exactly as if its
//! tasks had been dropped at the same await. They are dropped at the end of the run.

use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(crate) struct Life {
    number: u64,
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    is_dead: bool,
    frozen_until: Option<Instant>,
    /// The number of times that the process was frozen or killed.
    interruptions: u32,
}

impl Life {
    pub(crate) fn new(number: u64) -> Self {
        let state = State { is_dead: false, frozen_until: None, interruptions: 0 };
        Self { number, state: Mutex::new(state), ended: Notify::new() }
    }

    /// Returns the number of the process. Each has another one.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Waits until the process runs. For ever, if it has crashed.
    pub(crate) async fn runs(&self) {
        loop {
            let State { is_dead, frozen_until, .. } = *self.state();
            if is_dead {
                pending::<()>().await;
            }
            match frozen_until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    pub(crate) fn freeze(&self, time: Duration) {
        let mut state = self.state();
        state.frozen_until = Some(Instant::now() + time);
        state.interruptions += 1;
    }

    pub(crate) fn crash(&self) {
        let mut state = self.state();
        state.is_dead = true;
        state.interruptions += 1;
        drop(state);
        self.ended.notify_one();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Returns whether the process is frozen or has crashed.
    pub(crate) fn is_interrupted(&self) -> bool {
        let State { is_dead, frozen_until, .. } = *self.state();
        is_dead || frozen_until.is_some_and(|until| until > Instant::now())
    }

    pub(crate) fn interruptions(&self) -> u32 {
        self.state().interruptions
    }

    /// Waits for the crash. For one caller.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The state of the fake provider.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::wert::Orders;
use super::{Answer, Seen};

/// State that the test and the server share.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Script>);

#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) next: VecDeque<Answer>,
    pub(super) always: Answer,
    pub(super) wert: Orders,
    pub(super) seen: Vec<Seen>,
}

impl State {
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Script {
    /// Records a request, and returns the response to it.
    pub(super) fn arrived(&mut self, seen: Seen) -> Answer {
        self.seen.push(seen);
        self.next.pop_front().unwrap_or_else(|| self.always.clone())
    }
}

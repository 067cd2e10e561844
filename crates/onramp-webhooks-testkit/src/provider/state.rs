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
    /// Responses to searches for a term.
    pub(super) about: Vec<(String, Answer)>,
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
        let terms = seen.parameter("search_by").unwrap_or_default();
        let about = self.about.iter().find(|(term, _)| terms.split(',').any(|searched| searched == term));
        let about = about.map(|(_, answer)| answer.clone());
        self.seen.push(seen);
        if let Some(about) = about {
            return about;
        }
        self.next.pop_front().unwrap_or_else(|| self.always.clone())
    }
}

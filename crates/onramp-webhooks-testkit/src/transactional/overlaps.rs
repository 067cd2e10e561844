//! Detection of handlers of one order that run at the same time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use onramp_webhooks::Delivery;

/// The number of running handlers, by order.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: HashMap<String, usize>,
    most: usize,
}

impl Running {
    /// Counts a handler as running until the returned value is dropped.
    pub(super) fn begin(&self, delivery: &Delivery) -> impl Drop + Send + use<'_> {
        let subject = delivery.key().map(|key| key.subject().to_owned());
        self.count(subject.as_deref(), |counts, now| {
            *now += 1;
            counts.max(*now)
        });
        Runs { running: self, subject }
    }

    /// Returns the largest number of handlers of one order that ran at the same time.
    pub(super) fn most(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).most
    }

    fn count(&self, subject: Option<&str>, change: impl FnOnce(usize, &mut usize) -> usize) {
        let Some(subject) = subject else { return };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts { now, most } = &mut *counts;
        *most = change(*most, now.entry(subject.to_owned()).or_default());
    }
}

struct Runs<'a> {
    running: &'a Running,
    subject: Option<String>,
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.running.count(self.subject.as_deref(), |most, now| {
            *now -= 1;
            most
        });
    }
}

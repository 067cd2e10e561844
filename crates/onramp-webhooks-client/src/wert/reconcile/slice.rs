//! The parts of a window that are walked with one query each, so that a window can have any number of orders.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use serde::{Deserialize, Serialize};

use super::OrderRow;

/// A part of a window, from a second on, and what was reached of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slice {
    since: i64,
    /// The second of the last order.
    reached: i64,
    /// The orders of that second, which the next slice has again.
    at_reached: Vec<String>,
    /// The orders of the first second that were in the slice before.
    seen: Vec<String>,
}

impl Slice {
    pub(super) fn beginning_at(since: Timestamp) -> Self {
        let since = second(since);
        Self { since, reached: since, at_reached: Vec::new(), seen: Vec::new() }
    }

    /// Returns the time after which its orders were created. Wert leaves out the whole second of this time.
    pub(super) fn after(&self) -> Timestamp {
        time(self.since).before(Duration::from_secs(1))
    }

    /// Returns the second of the last order.
    pub(super) fn reached(&self) -> Timestamp {
        time(self.reached)
    }

    /// Returns `true` if the order was in the slice before.
    pub(super) fn has_seen(&self, order: &OrderId) -> bool {
        self.seen.iter().any(|seen| seen == order.as_str())
    }

    /// Notes an order of this slice.
    pub(super) fn note(&mut self, row: &OrderRow) {
        let Some(created) = row.created_at.map(second).filter(|created| *created >= self.reached) else { return };
        if created > self.reached {
            (self.reached, self.at_reached) = (created, Vec::new());
        }
        self.at_reached.push(row.order_id.as_str().to_owned());
    }

    /// Returns the slice after the last order, or `None` if all orders of this one are of its first second.
    pub(super) fn next(&self) -> Option<Self> {
        let next = Self { since: self.reached, reached: self.reached, at_reached: Vec::new(), seen: self.at_reached.clone() };
        (next.since > self.since).then_some(next)
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_millis(second.saturating_mul(1_000))
}

fn second(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1_000)
}

//! The deliveries that the provider was asked about, to tell a first ask from another one.

use std::collections::HashMap;

use onramp_webhooks::inbox::DeliveryId;

use super::queue::Turn;
use crate::wert::Verdict;

/// The number of deliveries after which older ones are forgotten. A forgotten one counts as a first ask once more.
const MAX_RECENT: usize = 50_000;

/// The turns of deliveries that were asked about and have to be asked about again.
#[derive(Debug, Default)]
pub(super) struct History {
    recent: HashMap<DeliveryId, Turn>,
    older: HashMap<DeliveryId, Turn>,
}

impl History {
    /// Returns the turn of the next check of a delivery.
    pub(super) fn turn(&self, delivery: DeliveryId) -> Turn {
        self.recent.get(&delivery).or_else(|| self.older.get(&delivery)).copied().unwrap_or(Turn::First)
    }

    /// Records the result of a check.
    pub(super) fn note(&mut self, delivery: DeliveryId, verdict: &Verdict) {
        match verdict {
            Verdict::Unknown | Verdict::NotFinal(_) => self.insert(delivery, Turn::Again),
            Verdict::OrderUnavailable(_) => self.insert(delivery, Turn::Alone),
            Verdict::ProviderUnavailable(_) => {}
            Verdict::Confirmed(_) | Verdict::Contradicted(_) | Verdict::InvalidOrderId => {
                self.recent.remove(&delivery);
                self.older.remove(&delivery);
            }
        }
    }

    fn insert(&mut self, delivery: DeliveryId, turn: Turn) {
        if self.recent.len() >= MAX_RECENT && !self.recent.contains_key(&delivery) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(delivery, turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut history = History::default();
        let id = DeliveryId::from_i64;
        for number in 0..3 * MAX_RECENT as i64 {
            history.note(id(number), &Verdict::Unknown);
        }
        assert!(history.recent.len() + history.older.len() <= 2 * MAX_RECENT);
        assert_eq!(history.turn(id(0)), Turn::First);
        assert_eq!(history.turn(id(3 * MAX_RECENT as i64 - 1)), Turn::Again);
        history.note(id(3 * MAX_RECENT as i64 - 1), &Verdict::InvalidOrderId);
        assert_eq!(history.turn(id(3 * MAX_RECENT as i64 - 1)), Turn::First);
    }
}

//! Deliveries that the primary inbox has refused, with the time of the next attempt for each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::SpillId;
use crate::clock::Timestamp;
use crate::delivery::NewDelivery;
use crate::retry::RetryPolicy;

/// Pauses between two attempts for one delivery.
const PAUSES: RetryPolicy = RetryPolicy::new(u32::MAX, Duration::from_millis(500), Duration::from_secs(10));

/// Deliveries of one order, the oldest first.
pub(super) type Chain = Vec<(SpillId, NewDelivery)>;

/// The refused deliveries.
#[derive(Debug, Default)]
pub(super) struct Failing(BTreeMap<SpillId, Failure>);

#[derive(Debug)]
struct Failure {
    tries: u32,
    again_at: Timestamp,
}

impl Failing {
    /// Returns the deliveries of `waiting` that may move now, one chain for each order. Chains may move at the same time; the
    /// deliveries of one chain move one after another. A refused delivery delays only later deliveries of its order.
    pub(super) fn chains(&mut self, waiting: Vec<(SpillId, NewDelivery)>, now: Timestamp) -> Vec<Chain> {
        let mut chains: Vec<Chain> = Vec::new();
        let mut chain_of = BTreeMap::new();
        let mut held = BTreeSet::new();
        for (id, delivery) in waiting {
            let order = order(&delivery);
            if self.waits(id, now) {
                held.extend(order);
                continue;
            }
            match order {
                Some(order) if held.contains(&order) => {}
                Some(order) => {
                    let nth = *chain_of.entry(order).or_insert_with(|| {
                        chains.push(Chain::new());
                        chains.len() - 1
                    });
                    if let Some(chain) = chains.get_mut(nth) {
                        chain.push((id, delivery));
                    }
                }
                None => chains.push(vec![(id, delivery)]),
            }
        }
        chains
    }

    /// Returns whether a delivery was refused and its next attempt is not due yet.
    fn waits(&mut self, id: SpillId, now: Timestamp) -> bool {
        let Some(failure) = self.0.get_mut(&id) else { return false };
        // A clock that was set back must not postpone the next attempt.
        failure.again_at = failure.again_at.min(now.after(PAUSES.longest));
        failure.again_at > now
    }

    /// Returns the number of refused deliveries.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the time of the next attempt.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.values().map(|failure| failure.again_at).min()
    }

    /// Removes a delivery that was recorded.
    pub(super) fn passed(&mut self, id: SpillId) {
        self.0.remove(&id);
    }

    /// Adds a delivery that was refused. `random` is a random number from 0 up to, but not including, 1.
    pub(super) fn failed(&mut self, id: SpillId, now: Timestamp, random: f64) {
        let failure = self.0.entry(id).or_insert(Failure { tries: 0, again_at: now });
        failure.tries = failure.tries.saturating_add(1);
        failure.again_at = now.after(PAUSES.pause(failure.tries, random).unwrap_or(PAUSES.longest));
    }

    /// Removes deliveries that are no longer in the spill, because another process moved them.
    pub(super) fn keep_only(&mut self, waiting: &[(SpillId, NewDelivery)]) {
        let Some((last, _)) = waiting.last() else { return self.0.clear() };
        self.0.retain(|id, _| id > last || waiting.binary_search_by_key(id, |(waits, _)| *waits).is_ok());
    }
}

/// Returns the order that a delivery must not overtake.
fn order(delivery: &NewDelivery) -> Option<String> {
    delivery.key.as_ref().map(|key| key.subject().to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::identity::DedupKey;

    fn waiting(orders: &[&str]) -> Vec<(SpillId, NewDelivery)> {
        let delivery = |order: &str| {
            let mut new = NewDelivery::new("wert", "wert", at(0), Bytes::new());
            new.key = (!order.is_empty()).then(|| DedupKey::from_parts(order.to_owned(), String::new()));
            new
        };
        (1..).map(SpillId::from_i64).zip(orders.iter().map(|order| delivery(order))).collect()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn chains(failing: &mut Failing, orders: &[&str], seconds: i64) -> Vec<Vec<i64>> {
        let ids = |chain: Chain| chain.iter().map(|(id, _)| id.as_i64()).collect();
        failing.chains(waiting(orders), at(seconds)).into_iter().map(ids).collect()
    }

    fn fails(failing: &mut Failing, id: i64, seconds: i64) {
        failing.failed(SpillId::from_i64(id), at(seconds), 1.0);
    }

    #[test]
    fn an_order_is_a_chain() {
        let mut failing = Failing::default();
        let expected = [vec![1, 5], vec![2], vec![3], vec![4], vec![6]];
        assert_eq!(chains(&mut failing, &["a", "", "b", "", "a", "c"], 0), expected);
        assert!(chains(&mut failing, &[], 0).is_empty());
    }

    #[test]
    fn a_refused_delivery_delays_only_its_order() {
        let mut failing = Failing::default();
        let orders = ["a", "b", "a", "c", "a", "c"];
        fails(&mut failing, 1, 0);
        assert_eq!(chains(&mut failing, &orders, 0), [vec![2], vec![4, 6]], "the first one waits for its time");
        assert_eq!(chains(&mut failing, &orders, 1), [vec![1, 3, 5], vec![2], vec![4, 6]]);
    }

    #[test]
    fn a_removed_delivery_delays_nothing() {
        let mut failing = Failing::default();
        let orders = ["a", "a"];
        fails(&mut failing, 1, 0);
        failing.keep_only(&waiting(&orders));
        assert!(chains(&mut failing, &orders, 0).is_empty());
        failing.keep_only(&waiting(&orders)[1..]);
        assert_eq!(failing.chains(waiting(&orders).split_off(1), at(0)).len(), 1);
        assert_eq!(failing.next(), None);
    }
}

//! Deliveries that the first inbox has refused: when each is tried again, and when it is set aside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::SpillId;
use crate::clock::Timestamp;
use crate::inbox::NewDelivery;
use crate::worker::RetryPolicy;

/// Pauses between two tries of one delivery.
const PAUSES: RetryPolicy = RetryPolicy::new(u32::MAX, Duration::from_millis(500), Duration::from_secs(10));

/// A delivery is set aside after so many tries,
const TRIES: u32 = 8;

/// and not before it has failed for so long,
const FOR: Duration = Duration::from_secs(30);

/// Deliveries of one order, the oldest first.
pub(super) type Chain = Vec<(SpillId, NewDelivery)>;

/// The deliveries that failed and are not set aside.
#[derive(Debug, Default)]
pub(super) struct Failing(BTreeMap<SpillId, Failure>);

#[derive(Debug)]
struct Failure {
    tries: u32,
    since: Timestamp,
    again_at: Timestamp,
    /// and only while the first inbox takes others.
    others_passed: bool,
}

impl Failing {
    /// Those of `waiting` that may move now, one chain for each order: chains may move at the same time, links one after the other.
    /// What came after a delivery of its order that fails waits for that; the rest passes it.
    pub(super) fn chains(&mut self, waiting: Vec<(SpillId, NewDelivery)>, now: Timestamp) -> Vec<Chain> {
        let mut chains: Vec<Chain> = Vec::new();
        let mut chain_of = BTreeMap::new();
        let mut held = BTreeSet::new();
        for (id, delivery) in waiting {
            let order = order(&delivery);
            if let Some(failure) = self.0.get_mut(&id) {
                // A clock that went back must not put it off.
                failure.again_at = failure.again_at.min(now.after(PAUSES.longest));
                if failure.again_at > now {
                    held.extend(order);
                    continue;
                }
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

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the first of them is tried again.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.values().map(|failure| failure.again_at).min()
    }

    /// It was recorded.
    pub(super) fn passed(&mut self, id: SpillId) {
        self.0.remove(&id);
        self.0.values_mut().for_each(|failure| failure.others_passed = true);
    }

    /// It was refused once more, while others passed or not, and is to be set aside when that answers true. `random` is drawn from 0 up
    /// to, not including, 1.
    pub(super) fn failed(&mut self, id: SpillId, others: bool, now: Timestamp, random: f64) -> bool {
        let new = || Failure { tries: 0, since: now, again_at: now, others_passed: false };
        let failure = self.0.entry(id).or_insert_with(new);
        failure.tries = failure.tries.saturating_add(1);
        failure.others_passed |= others;
        failure.again_at = now.after(PAUSES.pause(failure.tries, random).unwrap_or(PAUSES.longest));
        failure.tries >= TRIES && failure.others_passed && now.since(failure.since) >= FOR
    }

    /// It was set aside.
    pub(super) fn gone(&mut self, id: SpillId) {
        self.0.remove(&id);
    }

    /// Whatever is gone from the spill, because another process moved it, fails no longer.
    pub(super) fn keep_only(&mut self, waiting: &[(SpillId, NewDelivery)]) {
        let Some((last, _)) = waiting.last() else { return self.0.clear() };
        self.0.retain(|id, _| id > last || waiting.binary_search_by_key(id, |(waits, _)| *waits).is_ok());
    }
}

/// What a delivery must not overtake others of.
fn order(delivery: &NewDelivery) -> Option<String> {
    delivery.key.as_ref().map(|key| key.subject().to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::Provider;
    use crate::identity::DedupKey;

    fn waiting(orders: &[&str]) -> Vec<(SpillId, NewDelivery)> {
        let delivery = |order: &str| {
            let mut new = NewDelivery::new("wert", Provider::Wert, at(0), Bytes::new());
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

    fn fails(failing: &mut Failing, id: i64, seconds: i64) -> bool {
        failing.failed(SpillId::from_i64(id), false, at(seconds), 1.0)
    }

    #[test]
    fn an_order_is_a_chain() {
        let mut failing = Failing::default();
        let expected = [vec![1, 5], vec![2], vec![3], vec![4], vec![6]];
        assert_eq!(chains(&mut failing, &["a", "", "b", "", "a", "c"], 0), expected);
        assert!(chains(&mut failing, &[], 0).is_empty());
    }

    #[test]
    fn what_fails_holds_back_its_order_and_nothing_else() {
        let mut failing = Failing::default();
        let orders = ["a", "b", "a", "c", "a", "c"];
        assert!(!fails(&mut failing, 1, 0));
        assert_eq!(chains(&mut failing, &orders, 0), [vec![2], vec![4, 6]], "the first one waits for its time");
        assert_eq!(chains(&mut failing, &orders, 1), [vec![1, 3, 5], vec![2], vec![4, 6]]);
    }

    #[test]
    fn what_fails_for_long_while_others_pass_is_set_aside() {
        let mut failing = Failing::default();
        assert!((0..100).all(|second| !fails(&mut failing, 1, second)), "nothing else passed");
        failing.passed(SpillId::from_i64(2));
        assert!(fails(&mut failing, 1, 100));

        let mut failing = Failing::default();
        fails(&mut failing, 1, 0);
        failing.passed(SpillId::from_i64(2));
        assert!((0..100).all(|_| !fails(&mut failing, 1, 29)), "not yet for long");
        assert!(fails(&mut failing, 1, 30));

        let mut failing = Failing::default();
        fails(&mut failing, 1, 0);
        failing.passed(SpillId::from_i64(2));
        assert!((2..8).all(|_| !fails(&mut failing, 1, 1_000)), "not yet often");
        assert!(fails(&mut failing, 1, 1_000));

        let mut failing = Failing::default();
        failing.failed(SpillId::from_i64(1), true, at(0), 1.0);
        assert!((2..8).all(|_| !fails(&mut failing, 1, 1_000)), "others passed beside it");
        assert!(fails(&mut failing, 1, 1_000));
    }

    #[test]
    fn what_is_gone_holds_nothing_back() {
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

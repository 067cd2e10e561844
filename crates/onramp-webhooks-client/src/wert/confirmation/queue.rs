//! The checks that wait for a request.

use std::collections::VecDeque;

use super::batcher::Check;
use crate::wert::query::MAX_PAGE_SIZE;

/// The rank of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The provider has not answered yet. Such checks come first.
    First,
    /// The provider has answered that the order is unknown or not final. Such checks fill the requests of the others.
    Again,
    /// A request with this order has failed. It may be the cause, so it is asked about alone.
    Alone,
}

/// Checks that wait for a request, by turn.
#[derive(Default)]
pub(super) struct Queue {
    first: VecDeque<Check>,
    again: VecDeque<Check>,
    alone: VecDeque<Check>,
}

impl Queue {
    pub(super) fn push(&mut self, check: Check) {
        match check.turn {
            Turn::First => self.first.push_back(check),
            Turn::Again => self.again.push_back(check),
            Turn::Alone => self.alone.push_back(check),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.again.is_empty() && self.alone.is_empty()
    }

    /// Takes the checks of the next request. Drops those whose delivery no longer waits.
    pub(super) fn next_batch(&mut self) -> Vec<Check> {
        for queue in [&mut self.first, &mut self.again, &mut self.alone] {
            queue.retain(|check| !check.sender.is_closed());
        }
        let mut batch: Vec<_> = self.first.drain(..self.first.len().min(MAX_PAGE_SIZE)).collect();
        batch.extend(self.again.drain(..self.again.len().min(MAX_PAGE_SIZE - batch.len())));
        if batch.is_empty() {
            batch.extend(self.alone.pop_front());
        }
        batch
    }

    /// Takes all checks.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Check> {
        self.first.drain(..).chain(self.again.drain(..)).chain(self.alone.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::event::{CompletedPurchase, CustomerReference, Money};
    use onramp_webhooks::inbox::DeliveryId;
    use tokio::sync::oneshot;

    use super::super::batcher::Checked;
    use super::*;

    fn push(queue: &mut Queue, turn: Turn, numbers: std::ops::Range<i64>) -> Vec<oneshot::Receiver<Checked>> {
        let money = |code: &str| Money::new("1".parse().unwrap(), code.into());
        numbers
            .map(|number| {
                let (sender, receiver) = oneshot::channel();
                let purchase = CompletedPurchase::new(CustomerReference::default(), money("USD"), money("BTC"));
                queue.push(Check { delivery: DeliveryId::from_i64(number), turn, purchase, sender, _permit: None });
                receiver
            })
            .collect()
    }

    fn next(queue: &mut Queue) -> Vec<i64> {
        queue.next_batch().iter().map(|check| check.delivery.as_i64()).collect()
    }

    #[test]
    fn first_asks_come_first_and_the_rest_is_filled() {
        let mut queue = Queue::default();
        let _waiting =
            [push(&mut queue, Turn::Alone, 90..92), push(&mut queue, Turn::Again, 50..80), push(&mut queue, Turn::First, 0..25)];
        assert_eq!(next(&mut queue), Vec::from_iter(0..20));
        assert_eq!(next(&mut queue), Vec::from_iter((20..25).chain(50..65)));
        assert_eq!(next(&mut queue), Vec::from_iter(65..80));
        assert_eq!([next(&mut queue), next(&mut queue), next(&mut queue)], [vec![90], vec![91], vec![]]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_delivery_that_no_longer_waits_takes_no_place() {
        let mut queue = Queue::default();
        drop(push(&mut queue, Turn::First, 0..20));
        let _waiting = push(&mut queue, Turn::First, 20..21);
        assert_eq!(next(&mut queue), [20]);
    }
}

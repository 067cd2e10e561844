//! Deliveries that were claimed behind another one of their order, and wait for its end.

use std::collections::{BTreeMap, VecDeque};

use crate::delivery::DeliveryId;
use crate::identity::OrderStage;
use crate::inbox::{ClaimedDelivery, Lease};

/// Those that wait, under the delivery for whose end they wait.
#[derive(Debug, Default)]
pub(super) struct Behind(BTreeMap<DeliveryId, Line>);

#[derive(Debug)]
struct Line {
    waiting: VecDeque<ClaimedDelivery>,
    /// The stage of the delivery for whose end they wait.
    stage: Option<OrderStage>,
    /// The latest stage that was handled since the claim.
    handled: OrderStage,
}

impl Behind {
    /// Adds the deliveries that were claimed behind `first`.
    pub(super) fn claimed(&mut self, first: DeliveryId, stage: Option<OrderStage>, behind: Vec<ClaimedDelivery>) {
        self.wait(first, Line { waiting: behind.into(), stage, handled: OrderStage::UNPLACED });
    }

    /// Returns the delivery that follows one that has ended. It is stale if a later stage was handled since the claim.
    pub(super) fn next(&mut self, ended: DeliveryId, is_handled: bool) -> Option<ClaimedDelivery> {
        let Line { mut waiting, stage, handled } = self.0.remove(&ended)?;
        let handled = handled.max(stage.filter(|_| is_handled).unwrap_or(OrderStage::UNPLACED));
        let mut next = waiting.pop_front()?;
        next.stale |= next.stage.is_some_and(|stage| stage.is_before(handled));
        self.wait(next.lease.id, Line { waiting, stage: next.stage, handled });
        Some(next)
    }

    /// Removes those that wait for the end of a delivery, and returns their leases.
    pub(super) fn take(&mut self, first: DeliveryId) -> Vec<Lease> {
        self.0.remove(&first).map_or_else(Vec::new, |line| line.leases().collect())
    }

    /// Removes all, and returns their leases.
    pub(super) fn take_all(&mut self) -> Vec<Lease> {
        std::mem::take(&mut self.0).values().flat_map(Line::leases).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(|line| line.waiting.len()).sum()
    }

    fn wait(&mut self, first: DeliveryId, line: Line) {
        if !line.waiting.is_empty() {
            self.0.insert(first, line);
        }
    }
}

impl Line {
    fn leases(&self) -> impl Iterator<Item = Lease> {
        self.waiting.iter().map(|claimed| claimed.lease)
    }
}

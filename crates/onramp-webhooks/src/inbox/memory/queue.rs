//! The queue of waiting deliveries: for each order, the head that can be claimed, and those behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::inbox::{Candidate, Candidates, ClaimRequest, SUSPECT_AFTER};

/// A waiting delivery.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: DeliveryId,
    pub(super) endpoint: Arc<str>,
    /// The order; `None` if the delivery is an order of its own.
    pub(super) order: Option<String>,
    /// The time at which it is due again; `None` if it was never settled.
    pub(super) again_at: Option<Timestamp>,
    pub(super) received_at: Timestamp,
}

impl Place {
    fn since(&self) -> Timestamp {
        self.again_at.unwrap_or(self.received_at)
    }
}

/// The end of a lease, and the claims that were lost before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leased {
    pub(super) until: Timestamp,
    pub(super) lost_claims: u32,
}

#[derive(Debug, Default)]
struct Heads {
    untried: BTreeSet<DeliveryId>,
    again: BTreeSet<(Timestamp, DeliveryId)>,
}

#[derive(Debug, Default)]
struct Order {
    head: Option<DeliveryId>,
    /// Those behind the head that were claimed with it.
    leased: BTreeSet<DeliveryId>,
    untried: BTreeSet<DeliveryId>,
    again: BTreeSet<(Timestamp, DeliveryId)>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    places: HashMap<DeliveryId, Place>,
    heads: BTreeMap<Arc<str>, Heads>,
    orders: HashMap<String, Order>,
    leases: HashMap<DeliveryId, Leased>,
}

impl Queue {
    /// Adds a delivery. If no delivery of its order is leased, the first of them becomes the head.
    pub(super) fn enter(&mut self, place: Place) {
        let (id, order) = (place.id, place.order.clone());
        self.places.insert(id, place);
        let Some(order) = order else { return self.make_head(id) };
        let head = self.orders.get(&order).and_then(|order| order.head);
        self.put_behind(id);
        if head.is_some_and(|head| self.leases.contains_key(&head)) {
            return;
        }
        if let Some(head) = head {
            self.take_head(head);
            self.put_behind(head);
        }
        self.promote(&order);
    }

    /// Removes a delivery. The next one of its order becomes the head.
    pub(super) fn leave(&mut self, id: DeliveryId) {
        self.leases.remove(&id);
        if !self.places.contains_key(&id) {
            return;
        }
        let was_head = self.take_head(id);
        self.take_from_behind(id);
        let order = self.places.remove(&id).and_then(|place| place.order);
        if was_head && let Some(order) = order {
            self.promote(&order);
        }
    }

    pub(super) fn lease(&mut self, id: DeliveryId, until: Timestamp) -> u32 {
        let lost_claims = self.leases.get(&id).map_or(0, |lost| lost.lost_claims + 1);
        self.leases.insert(id, Leased { until, lost_claims });
        lost_claims
    }

    /// Returns the deliveries behind a head that can be claimed with it, at most `room`.
    pub(super) fn behind(&self, head: DeliveryId, now: Timestamp, room: usize) -> Vec<DeliveryId> {
        let untried = self.places.get(&head).filter(|place| place.again_at.is_none());
        let Some(order) = untried.and_then(|place| self.orders.get(place.order.as_ref()?)) else { return Vec::new() };
        let is_free =
            |id: &DeliveryId| self.leases.get(id).is_none_or(|lost| lost.until <= now && lost.lost_claims + 1 < SUSPECT_AFTER);
        let mut behind: Vec<_> = order.leased.iter().chain(&order.untried).copied().filter(is_free).take(room).collect();
        behind.sort_unstable();
        behind
    }

    /// Leases a delivery behind a head.
    pub(super) fn lease_behind(&mut self, id: DeliveryId) {
        let order = self.places.get(&id).and_then(|place| self.orders.get_mut(place.order.as_ref()?));
        if let Some(order) = order
            && order.untried.remove(&id)
        {
            order.leased.insert(id);
        }
    }

    pub(super) fn renew(&mut self, id: DeliveryId, until: Timestamp) {
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.until = until;
        }
    }

    /// Returns the time at which a delivery is due again; `None` if it was never settled.
    pub(super) fn again_at(&self, id: DeliveryId) -> Option<Timestamp> {
        self.places.get(&id)?.again_at
    }

    /// Makes a waiting delivery an order of its own.
    pub(super) fn leave_order(&mut self, id: DeliveryId) {
        let (Some(place), lease) = (self.places.get(&id).cloned(), self.leases.get(&id).copied()) else { return };
        self.leave(id);
        self.enter(Place { order: None, ..place });
        self.leases.extend(lease.map(|lease| (id, lease)));
    }

    /// Returns the candidates of each endpoint, and whether a suspect is due.
    pub(super) fn candidates(&self, now: Timestamp, request: &ClaimRequest) -> (Vec<Candidates>, bool) {
        let mut has_suspect = false;
        let mut all = Vec::new();
        for (endpoint, heads) in self.heads.iter().filter(|(endpoint, _)| !request.except.contains(*endpoint)) {
            let mut is_free = |id: &DeliveryId| {
                let lease = self.leases.get(id);
                if lease.is_some_and(|lease| now < lease.until) {
                    return false;
                }
                let is_suspect = lease.is_some_and(|lease| lease.lost_claims + 1 >= SUSPECT_AFTER);
                has_suspect |= is_suspect;
                is_suspect == request.suspect
            };
            let due = heads.again.iter().take_while(|(again_at, _)| *again_at <= now).map(|(_, id)| *id);
            let again = self.list(due.filter(&mut is_free), request.limit);
            let untried = self.list(heads.untried.iter().copied().filter(&mut is_free), request.limit);
            let newest = self.list(heads.untried.iter().rev().copied().filter(&mut is_free), request.limit);
            all.push(Candidates { endpoint: Arc::clone(endpoint), untried, again, newest });
        }
        (all, has_suspect)
    }

    fn list(&self, ids: impl Iterator<Item = DeliveryId>, limit: usize) -> Vec<Candidate> {
        let since = |id| self.places.get(&id).map(Place::since).unwrap_or_default();
        ids.take(limit).map(|id| Candidate { id, since: since(id) }).collect()
    }

    /// Returns the time at which the next delivery is due again.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let after = (now, DeliveryId::from_i64(i64::MAX));
        self.heads.values().filter_map(|heads| heads.again.range(after..).next()).map(|(again_at, _)| *again_at).min()
    }

    fn make_head(&mut self, id: DeliveryId) {
        let Some(place) = self.places.get(&id) else { return };
        let heads = self.heads.entry(Arc::clone(&place.endpoint)).or_default();
        match place.again_at {
            None => heads.untried.insert(id),
            Some(again_at) => heads.again.insert((again_at, id)),
        };
        if let Some(order) = &place.order {
            self.orders.entry(order.clone()).or_default().head = Some(id);
        }
    }

    /// Removes a delivery from the heads. Returns whether it was one.
    fn take_head(&mut self, id: DeliveryId) -> bool {
        let Some(place) = self.places.get(&id) else { return false };
        let Some(heads) = self.heads.get_mut(&place.endpoint) else { return false };
        let was_head = match place.again_at {
            None => heads.untried.remove(&id),
            Some(again_at) => heads.again.remove(&(again_at, id)),
        };
        if was_head && let Some(order) = place.order.as_ref().and_then(|order| self.orders.get_mut(order)) {
            order.head = None;
        }
        was_head
    }

    fn put_behind(&mut self, id: DeliveryId) {
        let Some(Place { order: Some(order), again_at, .. }) = self.places.get(&id) else { return };
        let order = self.orders.entry(order.clone()).or_default();
        match again_at {
            None => order.untried.insert(id),
            Some(again_at) => order.again.insert((*again_at, id)),
        };
    }

    fn take_from_behind(&mut self, id: DeliveryId) {
        let Some(Place { order: Some(order), again_at, .. }) = self.places.get(&id) else { return };
        let Some(order) = self.orders.get_mut(order) else { return };
        match again_at {
            None => order.untried.remove(&id) || order.leased.remove(&id),
            Some(again_at) => order.again.remove(&(*again_at, id)),
        };
    }

    /// Makes the next delivery of an order its head: one that was claimed behind the last head; otherwise the oldest untried one, or the one
    /// that is due again first, whichever has been due longer.
    fn promote(&mut self, order: &str) {
        let Some(waiting) = self.orders.get(order) else { return };
        let leased = waiting.leased.first().copied();
        let (untried, again) = (waiting.untried.first().copied(), waiting.again.first().map(|(_, id)| *id));
        let since = |id: DeliveryId| self.places.get(&id).map(Place::since);
        let next = match (untried, again) {
            (Some(untried), Some(again)) if since(again) >= since(untried) => Some(untried),
            (untried, again) => again.or(untried),
        };
        match leased.or(next) {
            Some(id) => {
                self.take_from_behind(id);
                self.make_head(id);
            }
            None => drop(self.orders.remove(order)),
        }
    }
}

//! The leases that a worker holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::{AbortHandle, Id};

use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::inbox::Lease;

/// The leases that were claimed and are not settled yet.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<DeliveryId, Entry>);

#[derive(Debug)]
struct Entry {
    lease: Lease,
    endpoint: Arc<str>,
    until: Timestamp,
    running: Option<AbortHandle>,
    /// Set while the delivery waits for another one of its order.
    is_behind: bool,
    /// Set until the lease is released, which is not done yet.
    is_released: bool,
}

impl Held {
    /// Adds a lease. Returns whether its handler has to be started. After a jump of the clock, a claim can return a delivery that
    /// is already running here; the running handler then continues under the new lease.
    pub(super) fn claimed(&mut self, lease: Lease, endpoint: Arc<str>, until: Timestamp) -> bool {
        let running = self.0.remove(&lease.id).and_then(|entry| entry.running);
        let to_run = running.is_none();
        self.0.insert(lease.id, Entry { lease, endpoint, until, running, is_behind: false, is_released: false });
        to_run
    }

    /// States whether a delivery waits for another one of its order.
    pub(super) fn waits_behind(&mut self, lease: Lease, is_behind: bool) {
        if let Some(entry) = self.of(lease) {
            entry.is_behind = is_behind;
        }
    }

    /// States that a lease will be released.
    pub(super) fn released(&mut self, lease: Lease) {
        if let Some(entry) = self.of(lease) {
            entry.is_released = true;
        }
    }

    pub(super) fn begun(&mut self, lease: Lease, running: AbortHandle) {
        if let Some(entry) = self.of(lease) {
            entry.running = Some(running);
        }
    }

    /// Returns whether `lease` is held and has not expired. A process that was frozen may continue after another one has taken
    /// over.
    pub(super) fn holds(&self, lease: Lease, now: Timestamp) -> bool {
        self.0.get(&lease.id).is_some_and(|entry| entry.lease == lease && now < entry.until)
    }

    /// Returns whether any lease has expired, as far as this worker knows.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.0.values().any(|entry| entry.until <= now)
    }

    /// Ends a run. Returns the lease to settle; `None` if it was lost.
    pub(super) fn ended(&mut self, id: DeliveryId, task: Id) -> Option<Lease> {
        let of_this_run = |entry: &&mut Entry| entry.running.as_ref().is_some_and(|running| running.id() == task);
        let entry = self.0.get_mut(&id).filter(of_this_run)?;
        entry.running = None;
        Some(entry.lease)
    }

    /// Ends a run that was dropped. Returns the lease to release; `None` if it was lost.
    pub(super) fn dropped(&mut self, task: Id) -> Option<Lease> {
        let mut entries = self.0.values_mut();
        let entry = entries.find(|entry| entry.running.as_ref().is_some_and(|running| running.id() == task))?;
        entry.running = None;
        Some(entry.lease)
    }

    pub(super) fn renewed(&mut self, leases: &[Lease], until: Timestamp) {
        for lease in leases {
            if let Some(entry) = self.of(*lease) {
                entry.until = until;
            }
        }
    }

    pub(super) fn settled(&mut self, lease: Lease) {
        if self.of(lease).is_some() {
            self.0.remove(&lease.id);
        }
    }

    /// Removes a lost lease and aborts its handler. Returns whether the handler was running.
    pub(super) fn lost(&mut self, lease: Lease) -> bool {
        let lost = if self.of(lease).is_some() { self.0.remove(&lease.id) } else { None };
        let running = lost.and_then(|entry| entry.running);
        running.inspect(AbortHandle::abort).is_some()
    }

    /// Returns the leases that have to be renewed. One that will be released ends by itself: it would keep a delivery of an order that
    /// another worker may be handling.
    pub(super) fn to_renew(&self) -> Vec<Lease> {
        self.0.values().filter(|entry| !entry.is_released).map(|entry| entry.lease).collect()
    }

    /// Returns the number of leases of each endpoint, without those that wait for another delivery of their order.
    pub(super) fn by_endpoint(&self) -> BTreeMap<Arc<str>, usize> {
        let mut held = BTreeMap::new();
        for entry in self.0.values().filter(|entry| !entry.is_behind) {
            *held.entry(Arc::clone(&entry.endpoint)).or_default() += 1;
        }
        held
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&mut self, lease: Lease) -> Option<&mut Entry> {
        self.0.get_mut(&lease.id).filter(|entry| entry.lease == lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_holds_one_of_each_order() {
        let (mut held, endpoint) = (Held::default(), Arc::from("wert"));
        let leases = [1, 2, 3].map(|id| Lease::new(DeliveryId::from_i64(id), 1));
        for lease in leases {
            held.claimed(lease, Arc::clone(&endpoint), Timestamp::from_millis(1));
            held.waits_behind(lease, lease != leases[0]);
        }
        assert_eq!(held.by_endpoint(), [(Arc::clone(&endpoint), 1)].into());
        held.settled(leases[0]);
        held.waits_behind(leases[1], false);
        assert_eq!(held.by_endpoint(), [(endpoint, 1)].into());
        assert_eq!(held.to_renew(), leases[1..]);
    }

    #[test]
    fn a_lease_that_will_be_released_is_not_renewed_until_it_is_claimed_again() {
        let (mut held, endpoint) = (Held::default(), Arc::from("wert"));
        let leases = [1, 2].map(|id| Lease::new(DeliveryId::from_i64(id), 1));
        for lease in leases {
            held.claimed(lease, Arc::clone(&endpoint), Timestamp::from_millis(1));
        }
        held.released(leases[1]);
        assert_eq!(held.to_renew(), leases[..1]);
        let again = Lease::new(leases[1].id, 2);
        held.claimed(again, endpoint, Timestamp::from_millis(2));
        assert_eq!(held.to_renew(), [leases[0], again]);
    }
}

//! The leases that a worker holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::identity::DedupKey;
use crate::inbox::{ClaimedDelivery, Lease};

/// The time until which a lease is held: by the clock, as in the store, and by monotonic time. A clock that is set back after another worker
/// has taken the lease over would make it look valid again. Monotonic time does not count the sleep of a machine, which the clock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    until: Timestamp,
    ends: Instant,
}

impl Term {
    /// Begins a term at `now`, before the call of the store.
    pub(super) fn begin(now: Timestamp, lease: Duration) -> Self {
        Self { until: now.after(lease), ends: Instant::now() + lease }
    }

    /// Returns the end by the clock.
    pub(super) fn until(self) -> Timestamp {
        self.until
    }

    fn has_ended(self, now: Timestamp) -> bool {
        self.until <= now || self.ends <= Instant::now()
    }
}

/// The leases that were claimed and are not settled yet.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<DeliveryId, Entry>);

#[derive(Debug)]
struct Entry {
    lease: Lease,
    endpoint: Arc<str>,
    order: Option<Box<str>>,
    term: Term,
    progress: Progress,
    /// The delivery of its order that ended before this one began.
    follows: Option<Lease>,
}

#[derive(Debug)]
enum Progress {
    /// The delivery waits for another one of its order.
    IsBehind,
    /// Only room is missing for its check or its attempt.
    Waits,
    Runs(AbortHandle),
    HasEnded,
    /// The lease will be released, or ends by itself if its settlement takes too long.
    NotRenewed,
}

impl Entry {
    fn running(&self) -> Option<&AbortHandle> {
        if let Progress::Runs(running) = &self.progress { Some(running) } else { None }
    }
}

impl Held {
    /// Adds the lease of a delivery that was claimed. Returns whether its handler has to be started. After a jump of the clock, a claim can
    /// return a delivery that is already running here; the running handler then continues under the new lease.
    pub(super) fn claimed(&mut self, claimed: &ClaimedDelivery, term: Term) -> bool {
        let (lease, endpoint) = (claimed.lease, Arc::clone(&claimed.endpoint));
        let progress = match self.0.remove(&lease.id).map(|entry| entry.progress) {
            Some(Progress::Runs(running)) => Progress::Runs(running),
            _ => Progress::Waits,
        };
        let to_run = matches!(progress, Progress::Waits);
        let order = order(claimed).map(Box::from);
        self.0.insert(lease.id, Entry { lease, endpoint, order, term, progress, follows: None });
        to_run
    }

    /// Returns the claimed deliveries of orders of which another delivery runs here, or is about to. Its lease was lost, and the worker does
    /// not know yet.
    pub(super) fn beside_others(&self, claimed: &[ClaimedDelivery]) -> BTreeSet<DeliveryId> {
        let underway = self.0.values().filter(|entry| matches!(entry.progress, Progress::Waits | Progress::Runs(_)));
        let orders: HashMap<&str, DeliveryId> =
            underway.filter_map(|entry| Some((entry.order.as_deref()?, entry.lease.id))).collect();
        let is_beside_another = |claimed: &&ClaimedDelivery| {
            order(claimed).and_then(|order| orders.get(order)).is_some_and(|other| *other != claimed.lease.id)
        };
        claimed.iter().filter(is_beside_another).map(|claimed| claimed.lease.id).collect()
    }

    /// States that a delivery waits for another one of its order.
    pub(super) fn waits_behind(&mut self, lease: Lease) {
        self.progress(lease, Progress::IsBehind);
    }

    /// States that a delivery begins after the end of another one of its order.
    pub(super) fn follows(&mut self, lease: Lease, ended: Lease) {
        if let Some(entry) = self.of(lease) {
            (entry.progress, entry.follows) = (Progress::Waits, Some(ended));
        }
    }

    /// Returns the lease of the delivery that began after the end of another one.
    pub(super) fn follower(&self, ended: Lease) -> Option<Lease> {
        self.0.values().find(|entry| entry.follows == Some(ended)).map(|entry| entry.lease)
    }

    /// States that a lease is no longer renewed.
    pub(super) fn not_renewed(&mut self, lease: Lease) {
        self.progress(lease, Progress::NotRenewed);
    }

    pub(super) fn begun(&mut self, lease: Lease, running: AbortHandle) {
        self.progress(lease, Progress::Runs(running));
    }

    /// States that the check of a delivery has ended, and its attempt can begin.
    pub(super) fn passed(&mut self, lease: Lease) {
        self.progress(lease, Progress::Waits);
    }

    /// Returns whether `lease` is held and has not expired. A process that was frozen may continue after another one has taken
    /// over.
    pub(super) fn holds(&self, lease: Lease, now: Timestamp) -> bool {
        self.0.get(&lease.id).is_some_and(|entry| entry.lease == lease && !entry.term.has_ended(now))
    }

    /// Returns whether a lease has expired, as far as this worker knows, and may have been taken over.
    pub(super) fn may_be_taken_over(&self, lease: Lease, now: Timestamp) -> bool {
        self.0.get(&lease.id).is_some_and(|entry| entry.lease == lease && entry.term.has_ended(now))
    }

    /// Aborts what runs for a lease. Returns whether anything did.
    pub(super) fn abort(&self, lease: Lease) -> bool {
        let running = self.0.get(&lease.id).filter(|entry| entry.lease == lease).and_then(Entry::running);
        running.inspect(|running| running.abort()).is_some()
    }

    /// Returns whether any lease has expired, as far as this worker knows.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.0.values().any(|entry| entry.term.has_ended(now))
    }

    /// Ends a run. Returns the lease to settle; `None` if it was lost.
    pub(super) fn ended(&mut self, id: DeliveryId, task: Id) -> Option<Lease> {
        let of_this_run = |entry: &&mut Entry| entry.running().is_some_and(|running| running.id() == task);
        let entry = self.0.get_mut(&id).filter(of_this_run)?;
        entry.progress = Progress::HasEnded;
        Some(entry.lease)
    }

    /// Ends a run that was dropped. Returns the lease to release; `None` if it was lost.
    pub(super) fn dropped(&mut self, task: Id) -> Option<Lease> {
        let mut entries = self.0.values_mut();
        let entry = entries.find(|entry| entry.running().is_some_and(|running| running.id() == task))?;
        entry.progress = Progress::HasEnded;
        Some(entry.lease)
    }

    pub(super) fn renewed(&mut self, leases: &[Lease], term: Term) {
        for lease in leases {
            if let Some(entry) = self.of(*lease) {
                entry.term = term;
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
        lost.as_ref().and_then(Entry::running).inspect(|running| running.abort()).is_some()
    }

    /// Returns the leases that have to be renewed. Others would keep deliveries of orders that another worker may be handling.
    pub(super) fn to_renew(&self) -> Vec<Lease> {
        self.0.values().filter(|entry| !matches!(entry.progress, Progress::NotRenewed)).map(|entry| entry.lease).collect()
    }

    /// Returns the number of leases of each endpoint, without those that wait for another delivery of their order.
    pub(super) fn by_endpoint(&self) -> BTreeMap<Arc<str>, usize> {
        let mut held = BTreeMap::new();
        for entry in self.0.values().filter(|entry| !matches!(entry.progress, Progress::IsBehind)) {
            *held.entry(Arc::clone(&entry.endpoint)).or_default() += 1;
        }
        held
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn progress(&mut self, lease: Lease, progress: Progress) {
        if let Some(entry) = self.of(lease) {
            entry.progress = progress;
        }
    }

    fn of(&mut self, lease: Lease) -> Option<&mut Entry> {
        self.0.get_mut(&lease.id).filter(|entry| entry.lease == lease)
    }
}

/// Returns the order of a delivery.
fn order(claimed: &ClaimedDelivery) -> Option<&str> {
    claimed.key.as_ref().filter(|_| claimed.stage.is_some()).map(DedupKey::subject)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::fingerprint::Fingerprint;
    use crate::provider::ProviderName;

    const LEASE: Duration = Duration::from_secs(30);

    fn term(at: i64) -> Term {
        Term::begin(Timestamp::from_millis(at), LEASE)
    }

    /// Adds a delivery of no order.
    fn claim(held: &mut Held, lease: Lease, term: Term) {
        let claimed = ClaimedDelivery {
            lease,
            attempt: 1,
            lost_claims: 0,
            stage: None,
            stale: false,
            duplicates: 0,
            endpoint: Arc::from("wert"),
            provider: ProviderName::from("wert"),
            key: None,
            fingerprint: Fingerprint::of(b""),
            received_at: Timestamp::from_millis(1),
            body: Bytes::new(),
            behind: Vec::new(),
        };
        held.claimed(&claimed, term);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_prolongs_no_lease() {
        let (mut held, lease) = (Held::default(), Lease::new(DeliveryId::from_i64(1), 1));
        let (at, set_back) = (Timestamp::from_millis(100_000), Timestamp::from_millis(36_000));
        claim(&mut held, lease, Term::begin(at, LEASE));
        assert!(held.holds(lease, set_back) && !held.has_expired(set_back));
        tokio::time::advance(LEASE).await;
        assert!(!held.holds(lease, set_back) && held.has_expired(set_back));
        held.renewed(&[lease], Term::begin(set_back, LEASE));
        assert!(held.holds(lease, set_back));
        assert!(!held.holds(lease, set_back.after(LEASE)), "a machine that slept");
    }

    #[test]
    fn an_endpoint_holds_one_of_each_order() {
        let mut held = Held::default();
        let leases = [1, 2, 3].map(|id| Lease::new(DeliveryId::from_i64(id), 1));
        leases.into_iter().for_each(|lease| claim(&mut held, lease, term(1)));
        leases[1..].iter().for_each(|lease| held.waits_behind(*lease));
        assert_eq!(held.by_endpoint(), [(Arc::from("wert"), 1)].into());
        held.settled(leases[0]);
        held.follows(leases[1], leases[0]);
        assert_eq!(held.by_endpoint(), [(Arc::from("wert"), 1)].into());
        assert_eq!(held.to_renew(), leases[1..]);
    }

    #[test]
    fn a_lease_that_will_be_released_is_not_renewed_until_it_is_claimed_again() {
        let mut held = Held::default();
        let leases = [1, 2].map(|id| Lease::new(DeliveryId::from_i64(id), 1));
        leases.into_iter().for_each(|lease| claim(&mut held, lease, term(1)));
        held.not_renewed(leases[1]);
        assert_eq!(held.to_renew(), leases[..1]);
        let again = Lease::new(leases[1].id, 2);
        claim(&mut held, again, term(2));
        assert_eq!(held.to_renew(), [leases[0], again]);
    }
}

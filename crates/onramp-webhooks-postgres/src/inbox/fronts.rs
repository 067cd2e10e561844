//! The oldest deliveries of each endpoint that were never tried, as far as this inbox knows.
//!
//! An index keeps the entries of deliveries that have left the queue until the next vacuum. A claim that begins at the start of the index reads
//! all of them, so that a long backlog would be handled ever more slowly. A claim therefore begins where the one before found something. It
//! looks at everything if that does not fill it, and once a second, because other inboxes also return deliveries to the queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Candidates, DeliveryId};

/// The time between two claims that look at everything.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The time for which a delivery that was requeued may wait behind a leased one.
const REVIVED_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Fronts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The time at which a claim looked at everything; `None` if the next one has to.
    looked_at: Option<Timestamp>,
    /// The id of the oldest delivery of each endpoint in the last claim.
    fronts: BTreeMap<Arc<str>, i64>,
    /// The smallest id of a delivery whose lease has ended since the last claim began. It waits again, or one that is younger follows it.
    ended: Option<i64>,
    /// The smallest id of a delivery that was requeued, which may follow one that is younger, and the time of the next claim.
    revived: Option<(i64, Option<Timestamp>)>,
}

impl Fronts {
    /// Returns the endpoints with the id from which a claim may begin; `None` if it has to look at everything.
    pub(super) fn known(&self, now: Timestamp) -> Option<Vec<(Arc<str>, i64)>> {
        let mut state = self.state();
        let revived = state.revived.as_ref().map(|(id, _)| *id);
        let least = state.ended.take().into_iter().chain(revived).min().unwrap_or(i64::MAX);
        state.fronts.values_mut().for_each(|front| *front = least.min(*front));
        let is_good = !state.fronts.is_empty() && state.looked_at.is_some_and(|at| (at..at.after(GOOD_FOR)).contains(&now));
        let known = || state.fronts.iter().map(|(endpoint, front)| (Arc::clone(endpoint), *front)).collect();
        is_good.then(known)
    }

    /// Keeps the result of a claim that has looked at everything.
    pub(super) fn found(&self, now: Timestamp, candidates: &[Candidates]) {
        let mut state = self.state();
        state.fronts.clear();
        state.looked_at = Some(now);
        state.revived = state.revived.map(|(id, since)| (id, Some(since.unwrap_or(now))));
        state.revived =
            state.revived.filter(|(_, since)| since.is_some_and(|since| (since..since.after(REVIVED_FOR)).contains(&now)));
        drop(state);
        self.moved(candidates);
    }

    /// Keeps the result of a claim that began at the fronts.
    pub(super) fn moved(&self, candidates: &[Candidates]) {
        let mut state = self.state();
        for Candidates { endpoint, untried, .. } in candidates {
            let front = untried.first().map(|first| first.id.as_i64());
            match (front, state.fronts.get_mut(endpoint)) {
                (Some(id), Some(front)) => *front = id,
                (front, None) => drop(state.fronts.insert(Arc::clone(endpoint), front.unwrap_or(0))),
                (None, Some(_)) => {}
            }
        }
    }

    /// States that leases of these deliveries have ended.
    pub(super) fn ended(&self, ids: impl IntoIterator<Item = DeliveryId>) {
        let mut state = self.state();
        state.ended = ids.into_iter().map(DeliveryId::as_i64).chain(state.ended).min();
    }

    /// States that a delivery was recorded at an endpoint, of which the last claim may have found none.
    pub(super) fn recorded(&self, endpoint: &str) {
        let mut state = self.state();
        if !state.fronts.contains_key(endpoint) {
            state.looked_at = None;
        }
    }

    /// States that a delivery was requeued.
    pub(super) fn revived(&self, id: DeliveryId) {
        let mut state = self.state();
        let least = state.revived.map_or(i64::MAX, |(id, _)| id).min(id.as_i64());
        (state.revived, state.looked_at) = (Some((least, None)), None);
    }

    /// States that any delivery may have been added.
    pub(super) fn forget(&self) {
        self.state().looked_at = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::inbox::Candidate;

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(100_000);

    fn candidates(endpoint: &str, ids: &[i64]) -> Candidates {
        let untried = ids.iter().map(|id| Candidate { id: DeliveryId::from_i64(*id), since: AT }).collect();
        Candidates { endpoint: endpoint.into(), untried, ..Candidates::default() }
    }

    fn known(fronts: &Fronts, now: Timestamp) -> Option<Vec<i64>> {
        Some(fronts.known(now)?.into_iter().map(|(_, front)| front).collect())
    }

    #[test]
    fn a_claim_begins_where_the_last_one_found_something_or_where_a_lease_ended() {
        let fronts = Fronts::default();
        assert_eq!(known(&fronts, AT), None);
        fronts.found(AT, &[candidates("kriptomat", &[]), candidates("wert", &[7, 9])]);
        assert_eq!(known(&fronts, AT), Some(vec![0, 7]));
        fronts.moved(&[candidates("kriptomat", &[40]), candidates("wert", &[70])]);
        fronts.moved(&[candidates("wert", &[])]);
        assert_eq!(known(&fronts, AT), Some(vec![40, 70]));
        fronts.ended([60, 50, 80].map(DeliveryId::from_i64));
        fronts.moved(&[candidates("wert", &[90])]);
        assert_eq!(known(&fronts, AT), Some(vec![40, 50]), "a lease that ended during a claim counts for the next one");
        assert_eq!(known(&fronts, AT), Some(vec![40, 50]));
    }

    #[test]
    fn a_claim_does_not_begin_after_a_delivery_that_was_requeued() {
        let fronts = Fronts::default();
        fronts.revived(DeliveryId::from_i64(5));
        fronts.found(AT, &[candidates("wert", &[7])]);
        assert_eq!(known(&fronts, AT), Some(vec![5]), "it may wait behind a leased one");
        let later = AT.after(REVIVED_FOR);
        fronts.found(later, &[candidates("wert", &[7])]);
        assert_eq!(known(&fronts, later), Some(vec![7]));
        fronts.revived(DeliveryId::from_i64(6));
        assert_eq!(known(&fronts, later), None);
    }

    #[test]
    fn a_claim_looks_at_everything_if_an_endpoint_is_new() {
        let fronts = Fronts::default();
        fronts.found(AT, &[candidates("wert", &[7])]);
        fronts.recorded("wert");
        assert_eq!(known(&fronts, AT), Some(vec![7]));
        fronts.recorded("kriptomat");
        assert_eq!(known(&fronts, AT), None);
    }

    #[test]
    fn a_claim_looks_at_everything_after_a_second_a_jump_of_the_clock_or_a_return() {
        let fronts = Fronts::default();
        fronts.found(AT, &[]);
        assert_eq!(known(&fronts, AT), None, "no endpoint is known");
        fronts.found(AT, &[candidates("wert", &[7])]);
        assert_eq!(known(&fronts, AT.after(Duration::from_millis(999))), Some(vec![7]));
        assert_eq!(known(&fronts, AT.after(GOOD_FOR)), None);
        assert_eq!(known(&fronts, Timestamp::from_millis(99_999)), None);
        fronts.forget();
        assert_eq!(known(&fronts, AT), None);
    }
}

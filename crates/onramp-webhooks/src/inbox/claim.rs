//! Claims: which of the due deliveries a worker gets, and in what sequence.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::ClaimedDelivery;
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;

/// The age of the oldest due delivery from which half of the claims take the newest ones.
const LATE: Duration = Duration::from_secs(60);

/// The maximum number of deliveries behind heads in one claim. With more, others would wait longer for its transaction.
const MOST_BEHIND: usize = 64;

/// The number of claims that may end with neither a settlement nor a release. After that, the delivery is a suspect.
pub const SUSPECT_AFTER: u32 = 5;

/// A claim: its size, the duration of its leases, and what its worker is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// Maximum number of deliveries to claim.
    pub limit: usize,
    /// Duration of the leases unless they are renewed.
    pub lease: Duration,
    /// The number of deliveries that the worker holds of each endpoint. Endpoints of which it holds fewer come first.
    pub held: BTreeMap<Arc<str>, usize>,
    /// Endpoints of which nothing is claimed.
    pub except: BTreeSet<Arc<str>>,
    /// The number of deliveries that the worker has claimed so far, by which the oldest and the newest take turns.
    pub turn: u64,
    /// Claims one suspect, and nothing else. Other claims leave suspects out.
    ///
    /// A suspect is a delivery of which [`SUSPECT_AFTER`] claims ended with neither a settlement nor a release: its handler may have
    /// ended the process.
    pub suspect: bool,
    /// Also claims deliveries behind the heads, as far as the heads leave room in [`limit`](Self::limit). See
    /// [`room_behind`](Self::room_behind). A store may ignore this.
    pub behind: bool,
}

/// The result of a claim.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Claims {
    /// The deliveries in the sequence of [`ClaimRequest::choose`], never two of one order. Others of the order may be
    /// [behind](ClaimedDelivery::behind) them.
    pub deliveries: Vec<ClaimedDelivery>,
    /// The time at which the next retrying or parked delivery is due; `None` if there is none.
    pub next_due: Option<Timestamp>,
    /// `true` if a suspect is due at an endpoint that was not left out. A store may not see it while others fill the claim.
    pub has_suspect: bool,
}

impl Claims {
    /// Creates the result of a claim.
    #[must_use]
    pub fn new(deliveries: Vec<ClaimedDelivery>, next_due: Option<Timestamp>) -> Self {
        Self { deliveries, next_due, has_suspect: false }
    }

    /// States whether a suspect is due.
    #[must_use]
    pub fn with_suspect(mut self, has_suspect: bool) -> Self {
        self.has_suspect = has_suspect;
        self
    }
}

/// A delivery that could be claimed: due, not leased, and the head of its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it")]
pub struct Candidate {
    /// The delivery.
    pub id: DeliveryId,
    /// The time since which it is due: its arrival, or the time at which it fell due again.
    pub since: Timestamp,
}

/// The candidates of one endpoint, at most [`ClaimRequest::limit`] in each list.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "every store builds it")]
pub struct Candidates {
    /// The name of the endpoint.
    pub endpoint: Arc<str>,
    /// Deliveries that were never settled, in the order of arrival.
    pub untried: Vec<Candidate>,
    /// Deliveries that are due again, longest due first.
    pub again: Vec<Candidate>,
    /// Deliveries that were never settled, newest first. Empty unless [`ClaimRequest::needs_newest`].
    pub newest: Vec<Candidate>,
}

impl ClaimRequest {
    /// Creates a request for at most `limit` deliveries, leased for `lease`.
    #[must_use]
    pub const fn new(limit: usize, lease: Duration) -> Self {
        Self { limit, lease, held: BTreeMap::new(), except: BTreeSet::new(), turn: 0, suspect: false, behind: false }
    }

    /// States what the worker holds of each endpoint.
    #[must_use]
    pub fn held(mut self, held: BTreeMap<Arc<str>, usize>) -> Self {
        self.held = held;
        self
    }

    /// Leaves out endpoints.
    #[must_use]
    pub fn except(mut self, endpoints: BTreeSet<Arc<str>>) -> Self {
        self.except = endpoints;
        self
    }

    /// Sets the number of deliveries that the worker has claimed so far.
    #[must_use]
    pub const fn turn(mut self, turn: u64) -> Self {
        self.turn = turn;
        self
    }

    /// Also claims the deliveries behind the heads, as far as the heads leave room.
    #[must_use]
    pub const fn with_behind(mut self) -> Self {
        self.behind = true;
        self
    }

    /// Claims one suspect, and nothing else.
    #[must_use]
    pub const fn of_a_suspect(mut self) -> Self {
        self.suspect = true;
        self
    }

    /// Returns how many deliveries behind the heads a store may claim after `heads` were claimed: the rest of the limit, and at most 64.
    #[must_use]
    pub fn room_behind(&self, heads: usize) -> usize {
        if self.suspect || !self.behind { 0 } else { self.limit.saturating_sub(heads).min(MOST_BEHIND) }
    }

    /// Returns whether [`choose`](Self::choose) needs the newest deliveries, which a store need not read otherwise: there are more
    /// candidates than fit into the claim, and one has been due for more than a minute.
    #[must_use]
    pub fn needs_newest(&self, now: Timestamp, candidates: &[Candidates]) -> bool {
        let of_all = || candidates.iter().flat_map(|candidates| candidates.untried.iter().chain(&candidates.again));
        !self.suspect && of_all().count() >= self.limit && of_all().any(|candidate| is_late(now, candidate))
    }

    /// Chooses the deliveries to claim, so that every store serves its endpoints and deliveries in the same sequence:
    ///
    /// - The endpoint of which the worker holds fewest comes first; among equals, the one whose delivery has been due longest.
    /// - Of one endpoint, the delivery that has been due longest comes first.
    /// - If that one has been due for more than a minute, and not everything fits into the claim, every other delivery is the newest
    ///   untried one instead, so that true events get through a flood. Suspects come in their sequence in any case.
    #[must_use]
    pub fn choose(&self, now: Timestamp, candidates: Vec<Candidates>) -> Vec<DeliveryId> {
        let mut endpoints: Vec<_> = candidates.into_iter().map(|candidates| Share::new(self, now, candidates)).collect();
        let all_fit = endpoints.iter().map(|share| share.oldest.len()).sum::<usize>() < self.limit;
        let mut chosen = Vec::with_capacity(self.limit.min(1_000));
        let mut taken = BTreeSet::new();
        while chosen.len() < self.limit
            && let Some(share) = endpoints.iter_mut().filter(|share| !share.oldest.is_empty()).min_by_key(|share| share.rank())
        {
            let newest_next = !self.suspect && !all_fit && share.is_late && (self.turn + chosen.len() as u64) % 2 == 1;
            if let Some(id) = share.take(newest_next, &mut taken) {
                chosen.push(id);
            }
        }
        chosen
    }
}

fn is_late(now: Timestamp, candidate: &Candidate) -> bool {
    now.since(candidate.since) > LATE
}

/// The part of one endpoint in a claim.
struct Share {
    endpoint: Arc<str>,
    held: usize,
    is_late: bool,
    oldest: VecDeque<Candidate>,
    newest: VecDeque<Candidate>,
}

impl Share {
    fn new(request: &ClaimRequest, now: Timestamp, Candidates { endpoint, untried, again, newest }: Candidates) -> Self {
        let oldest = merged(untried.into(), again.into());
        let is_late = oldest.front().is_some_and(|oldest| is_late(now, oldest));
        let held = request.held.get(&endpoint).copied().unwrap_or(0);
        Self { endpoint, held, is_late, oldest, newest: newest.into() }
    }

    fn rank(&self) -> (usize, Option<Timestamp>, Arc<str>) {
        (self.held, self.oldest.front().map(|oldest| oldest.since), Arc::clone(&self.endpoint))
    }

    /// Takes the oldest or the newest delivery that is not taken yet.
    fn take(&mut self, newest_next: bool, taken: &mut BTreeSet<DeliveryId>) -> Option<DeliveryId> {
        let next = if newest_next { self.newest.pop_front() } else { None };
        let id = next.or_else(|| self.oldest.pop_front())?.id;
        let is_free = taken.insert(id);
        self.held += usize::from(is_free);
        is_free.then_some(id)
    }
}

/// Merges two lists by the time since which the deliveries are due, without changing the sequence within each.
fn merged(mut untried: VecDeque<Candidate>, mut again: VecDeque<Candidate>) -> VecDeque<Candidate> {
    let mut merged = VecDeque::with_capacity(untried.len() + again.len());
    while let Some(next) = match (untried.front(), again.front()) {
        (Some(fresh), Some(due)) if due.since < fresh.since => again.pop_front(),
        (None, _) => again.pop_front(),
        _ => untried.pop_front(),
    } {
        merged.push_back(next);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    fn list(of: impl IntoIterator<Item = (i64, i64)>) -> Vec<Candidate> {
        of.into_iter().map(|(id, since)| Candidate { id: DeliveryId::from_i64(id), since: at(since) }).collect()
    }

    fn endpoint(
        name: &str,
        untried: impl IntoIterator<Item = (i64, i64)>,
        again: impl IntoIterator<Item = (i64, i64)>,
    ) -> Candidates {
        let untried = list(untried);
        let newest = untried.iter().rev().copied().collect();
        Candidates { endpoint: name.into(), untried, again: list(again), newest }
    }

    fn chosen(request: &ClaimRequest, now: i64, candidates: Vec<Candidates>) -> Vec<i64> {
        request.choose(at(now), candidates).into_iter().map(DeliveryId::as_i64).collect()
    }

    fn request(limit: usize) -> ClaimRequest {
        ClaimRequest::new(limit, LATE)
    }

    #[test]
    fn what_has_been_due_longest_comes_first() {
        let one = || vec![endpoint("wert", [(1, 10), (4, 40)], [(2, 5), (3, 30)])];
        assert_eq!(chosen(&request(9), 50, one()), [2, 1, 3, 4]);
        assert_eq!(chosen(&request(2), 50, one()), [2, 1]);
        let jumped = vec![endpoint("wert", [(1, 30), (2, 10)], [(3, 20)])];
        assert_eq!(chosen(&request(9), 50, jumped), [3, 1, 2], "of untried ones, the sequence of arrival counts");
    }

    #[test]
    fn endpoints_share_a_claim() {
        let both = || vec![endpoint("flood", (1..100).map(|id| (id, 1)), []), endpoint("wert", [(200, 40), (201, 41)], [])];
        assert_eq!(chosen(&request(5), 50, both()), [1, 200, 2, 201, 3]);
        let held = |flood, wert| BTreeMap::from([("flood".into(), flood), ("wert".into(), wert)]);
        assert_eq!(chosen(&request(2), 50, both()).len(), 2);
        assert_eq!(chosen(&request(1).held(held(3, 2)), 50, both()), [200]);
        assert_eq!(chosen(&request(2).held(held(3, 5)), 50, both()), [1, 2]);
    }

    #[test]
    fn half_of_a_late_endpoint_is_the_newest() {
        let late = || vec![endpoint("wert", (1..=9).map(|id| (id, id)), [(20, 70)])];
        assert_eq!(chosen(&request(4), 60, late()), [1, 2, 3, 4], "not late yet");
        assert_eq!(chosen(&request(4), 62, late()), [1, 9, 2, 8]);
        assert_eq!(chosen(&request(1).turn(7), 62, late()), [9], "claims of one take turns");
        assert_eq!(chosen(&request(1).turn(8), 62, late()), [1]);
        assert_eq!(chosen(&request(11), 80, late()), [1, 2, 3, 4, 5, 6, 7, 8, 9, 20], "everything fits");
        let again = vec![endpoint("wert", [], (1..=9).map(|id| (id, id)))];
        assert_eq!(chosen(&request(3), 99, again), [1, 2, 3], "what was tried is never the newest");
    }

    #[test]
    fn of_suspects_the_oldest_comes_first() {
        let late = || vec![endpoint("wert", (1..=9).map(|id| (id, id)), [])];
        assert_eq!(chosen(&request(1).turn(7).of_a_suspect(), 99, late()), [1]);
        assert!(!request(1).of_a_suspect().needs_newest(at(99), &late()) && request(1).needs_newest(at(99), &late()));
    }

    #[test]
    fn each_is_chosen_once() {
        let few = vec![endpoint("wert", (1..=3).map(|id| (id, id)), []), endpoint("other", [(9, 1)], [])];
        let mut all = chosen(&request(3).turn(1), 200, few);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 3);
    }
}

//! The worker's loop: one task owns everything that is claimed, running and finished, so nothing is shared or locked.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::attempt::{AttemptEnd, Checked, attempt, check};
use super::behind::Behind;
use super::held::{Held, Term};
use super::idle::IdleReports;
use super::life::Alive;
use super::{Delivery, WorkerBuilder};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::{ClaimRequest, ClaimedDelivery, Claims, Lease, Settled, Settlement};
use crate::telemetry;
use crate::timeout::within;

/// Pause after a failure of the inbox.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Time limit of one call of the inbox, longer than the limits of the stores themselves. A call that timed out may have taken
/// effect; a lost or expired lease shows this later.
const ANSWER: Duration = Duration::from_secs(45);

/// The leases that were lost, or the error of the inbox.
type Lost = Result<Vec<Lease>, StoreError>;

type InFlight<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// The events of the loop.
enum Happened {
    Checked(Result<(Id, (Lease, Checked)), JoinError>),
    Ended(Result<(Id, (Lease, AttemptEnd)), JoinError>),
    Claimed(Timestamp, Term, Result<Claims, StoreError>),
    Settled(Vec<Settlement>, Lost),
    Renewed(Vec<Lease>, Term, Lost),
    MayBeDue,
    Time,
    Stop,
    GraceOver,
}

pub(super) struct Run {
    worker: Arc<WorkerBuilder>,
    alive: Alive,
    stopped: watch::Receiver<bool>,
    stopping: bool,
    held: Held,
    behind: Behind,
    /// Deliveries that are claimed and not checked.
    unchecked: VecDeque<ClaimedDelivery>,
    /// Set while claims leave out the endpoints of `unchecked`.
    left_out: bool,
    checking: JoinSet<(Lease, Checked)>,
    /// The endpoints of the deliveries that are being checked.
    in_check: HashMap<Id, Arc<str>>,
    /// Deliveries that the handler has not been called for.
    queue: VecDeque<(Lease, Ready)>,
    running: JoinSet<(Lease, AttemptEnd)>,
    /// Outcomes that are not being settled yet.
    finished: Vec<Settlement>,
    claiming: InFlight<(Timestamp, Term, Result<Claims, StoreError>)>,
    settling: InFlight<(Vec<Settlement>, Lost)>,
    renewing: InFlight<(Vec<Lease>, Term, Lost)>,
    grace: InFlight<()>,
    grace_over: bool,
    /// Set if something may be due.
    may_be_due: bool,
    /// The length of the queue at which more is claimed.
    claim_at: usize,
    /// Set if something was held at the start of the last claim.
    had_work: bool,
    /// The time of the next claim if there is no notification.
    look_at: Timestamp,
    /// The earliest time of the next settlement, after the inbox has failed.
    settle_at: Timestamp,
    renew_at: Timestamp,
    /// Set until a renewal has told which leases were lost. Nothing is claimed meanwhile.
    has_lost_some: bool,
    idle: IdleReports,
    /// The number of deliveries that were claimed.
    turn: u64,
    suspect: Suspect,
    /// The number of the latest idle request at the start of the last claim.
    claimed_for: u64,
}

impl Run {
    pub(super) fn new(worker: Arc<WorkerBuilder>, stopped: watch::Receiver<bool>, idle: IdleReports) -> Self {
        let now = worker.clock.now();
        let renew_at = now.after(worker.lease / 3);
        Self {
            alive: worker.workers.begin(now, worker.poll.max(worker.lease) + ANSWER),
            stopped,
            stopping: false,
            held: Held::default(),
            behind: Behind::default(),
            unchecked: VecDeque::new(),
            left_out: false,
            checking: JoinSet::new(),
            in_check: HashMap::new(),
            queue: VecDeque::new(),
            running: JoinSet::new(),
            finished: Vec::new(),
            claiming: None,
            settling: None,
            renewing: None,
            grace: None,
            grace_over: false,
            may_be_due: true,
            claim_at: worker.batch / 2,
            had_work: false,
            look_at: now,
            settle_at: now,
            renew_at,
            has_lost_some: false,
            idle,
            turn: 0,
            suspect: Suspect::None,
            claimed_for: 0,
            worker,
        }
    }

    pub(super) async fn run(mut self) {
        while !(self.stopping && self.is_idle()) {
            self.begin();
            match self.next().await {
                Happened::Checked(checked) => self.checked(checked),
                Happened::Ended(ended) => self.ended(ended),
                Happened::Claimed(claimed_at, term, claims) => self.claimed(claimed_at, term, claims),
                Happened::Settled(settlements, lost) => self.settled(settlements, lost),
                Happened::Renewed(leases, term, lost) => self.renewed(&leases, term, lost),
                Happened::MayBeDue => self.may_be_due = true,
                Happened::Time => {}
                Happened::Stop => self.stop(),
                Happened::GraceOver => self.give_up(),
            }
        }
        self.alive.ended();
    }

    /// Waits for the next event. Cancel-safe: calls in flight are not dropped.
    async fn next(&mut self) -> Happened {
        let (clock, inbox) = (&self.worker.clock, &self.worker.inbox);
        // A worker that is stopping leaves notifications to other workers.
        let looking = !self.may_be_due && !self.stopping;
        let settling_later = !self.finished.is_empty() && self.settling.is_none();
        let renewing_later = !self.held.is_empty() && self.renewing.is_none();
        tokio::select! {
            // One sequence, so that a simulation can be repeated. Attempts may be ready again and again, so a stop and the calls of the
            // inbox come before them.
            biased;
            // An error means that the `Worker` was dropped, which does not stop the loop.
            Ok(_) = self.stopped.wait_for(|stopped| *stopped), if !self.stopping => Happened::Stop,
            (leases, term, lost) = in_flight(&mut self.renewing) => Happened::Renewed(leases, term, lost),
            (settlements, lost) = in_flight(&mut self.settling) => Happened::Settled(settlements, lost),
            (claimed_at, term, claims) = in_flight(&mut self.claiming) => Happened::Claimed(claimed_at, term, claims),
            () = in_flight(&mut self.grace) => Happened::GraceOver,
            Some(checked) = self.checking.join_next_with_id() => Happened::Checked(checked),
            Some(ended) = self.running.join_next_with_id() => Happened::Ended(ended),
            () = inbox.wait_for_work(), if looking => Happened::MayBeDue,
            () = clock.sleep_until(self.look_at), if looking => Happened::MayBeDue,
            () = clock.sleep_until(self.settle_at), if settling_later => Happened::Time,
            () = clock.sleep_until(self.renew_at), if renewing_later => Happened::Time,
            () = self.idle.requested(), if looking => Happened::MayBeDue,
        }
    }

    fn is_idle(&self) -> bool {
        self.held.is_empty()
            && self.checking.is_empty()
            && self.running.is_empty()
            && self.claiming.is_none()
            && self.settling.is_none()
    }

    /// Starts everything that can start now.
    fn begin(&mut self) {
        let now = self.worker.clock.now();
        self.alive.seen(now);
        // A clock that was set back must not postpone the next claim or settlement.
        self.look_at = self.look_at.min(now.after(self.worker.poll));
        self.settle_at = self.settle_at.min(now.after(AFTER_FAILURE));
        self.renew_at = self.renew_at.min(now.after(self.worker.lease / 3));
        self.begin_checks(now);
        self.begin_attempts(now);
        self.begin_settling(now);
        self.begin_renewing(now);
        self.begin_claiming(now);
    }

    fn begin_checks(&mut self, now: Timestamp) {
        if self.worker.checks.is_empty() {
            self.queue.extend(self.unchecked.drain(..).map(|claimed| (claimed.lease, Ready::Unchecked(Box::new(claimed)))));
            return;
        }
        let mut waiting = VecDeque::new();
        while let Some(claimed) = self.unchecked.pop_front() {
            let (lease, endpoint) = (claimed.lease, Arc::clone(&claimed.endpoint));
            if !self.held.holds(lease, now) {
                self.lose(lease);
            } else if self.is_full(&endpoint) {
                waiting.push_back(claimed);
            } else {
                let worker = Arc::clone(&self.worker);
                let checking = self.checking.spawn(async move { (lease, check(&worker, claimed).await) });
                self.in_check.insert(checking.id(), endpoint);
                self.held.begun(lease, checking);
            }
        }
        self.may_be_due |= waiting.is_empty() && std::mem::take(&mut self.left_out);
        self.left_out |= !waiting.is_empty();
        self.unchecked = waiting;
    }

    /// Returns whether as many deliveries of an endpoint are being checked as may be.
    fn is_full(&self, endpoint: &Arc<str>) -> bool {
        self.in_check.values().filter(|other| *other == endpoint).count() >= self.worker.check_concurrency
    }

    fn begin_attempts(&mut self, now: Timestamp) {
        while self.running.len() < self.worker.concurrency {
            let Some((lease, ready)) = self.queue.pop_front() else { break };
            if !self.held.holds(lease, now) {
                self.lose(lease);
                continue;
            }
            let worker = Arc::clone(&self.worker);
            let running = self.running.spawn(async move { (lease, ready.attempt(&worker, lease).await) });
            self.held.begun(lease, running);
        }
    }

    fn begin_settling(&mut self, now: Timestamp) {
        if self.finished.is_empty() || self.settling.is_some() || now < self.settle_at {
            return;
        }
        let (inbox, settlements) = (Arc::clone(&self.worker.inbox), std::mem::take(&mut self.finished));
        self.settling = Some(Box::pin(async move {
            let lost = within(ANSWER, "settle deliveries", inbox.settle(now, settlements.clone())).await;
            (settlements, lost)
        }));
    }

    fn begin_renewing(&mut self, now: Timestamp) {
        if now < self.renew_at || self.renewing.is_some() {
            return;
        }
        self.renew_at = now.after(self.worker.lease / 3);
        let (inbox, leases, term) = (Arc::clone(&self.worker.inbox), self.held.to_renew(), Term::begin(now, self.worker.lease));
        if !leases.is_empty() {
            self.renewing = Some(Box::pin(async move {
                let lost = within(ANSWER, "renew leases", inbox.renew(leases.clone(), term.until())).await;
                (leases, term, lost)
            }));
        }
    }

    fn begin_claiming(&mut self, now: Timestamp) {
        if self.stopping || !self.may_be_due || self.claiming.is_some() || self.queue.len() > self.claim_at {
            return;
        }
        // After an outage or a jump of the clock, a claim would return deliveries that are running or handled here.
        if self.held.has_expired(now) {
            return;
        }
        if (self.suspect != Suspect::None || self.has_lost_some) && !self.held.is_empty() {
            return;
        }
        (self.may_be_due, self.has_lost_some) = (false, false);
        self.had_work = !self.held.is_empty();
        // A time that has passed would cause another claim after this one.
        self.look_at = now.after(self.worker.poll);
        self.claimed_for = self.idle.latest();
        let (inbox, request, term) = (Arc::clone(&self.worker.inbox), self.request(), Term::begin(now, self.worker.lease));
        self.claiming = Some(Box::pin(async move {
            let claims = within(ANSWER, "claim deliveries", inbox.claim(now, request)).await;
            (now, term, claims)
        }));
    }

    /// Returns the length of the queue at which more is claimed, after a claim. Handlers that are faster than the inbox would wait for it, so
    /// the next claim begins at once. Slow ones hold less, because what they hold is out of the reach of other workers.
    fn next_claim_at(&self, claimed: usize) -> usize {
        let (batch, few) = (self.worker.batch, self.worker.batch / 2);
        let is_short = self.had_work && self.queue.is_empty() && self.running.len() < self.worker.concurrency;
        match is_short {
            true if claimed == batch => batch,
            false if self.queue.len() > few => few,
            _ => self.claim_at,
        }
    }

    /// Returns the next claim. Endpoints with a delivery that waits for a check are left out.
    fn request(&self) -> ClaimRequest {
        let request = ClaimRequest::new(self.worker.batch, self.worker.lease);
        if self.suspect == Suspect::IsDue {
            return request.of_a_suspect();
        }
        let waiting = self.unchecked.iter().map(|claimed| Arc::clone(&claimed.endpoint)).collect();
        let request = if self.behind.len() <= self.worker.batch / 2 { request.with_behind() } else { request };
        request.held(self.held.by_endpoint()).except(waiting).turn(self.turn)
    }

    fn checked(&mut self, checked: Result<(Id, (Lease, Checked)), JoinError>) {
        match checked {
            Ok((task, (lease, checked))) => {
                self.in_check.remove(&task);
                match checked {
                    Checked::Ended(end) => self.ended(Ok((task, (lease, end)))),
                    Checked::Passed(delivery) => match self.held.ended(lease.id, task) {
                        Some(lease) if self.stopping => self.finished.push(Settlement::new(lease, Settled::Released)),
                        Some(lease) => {
                            self.held.passed(lease);
                            self.queue.push_back((lease, Ready::Checked(delivery)));
                        }
                        None => {}
                    },
                }
            }
            Err(dropped) => {
                self.in_check.remove(&dropped.id());
                self.ended(Err(dropped));
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, (Lease, AttemptEnd)), JoinError>) {
        self.may_be_due |= self.idle.is_pending();
        let (task, lease, end) = match ended {
            Ok((task, (lease, end))) => (task, lease, end),
            // An attempt catches its panics, so this task was aborted: its lease was lost, or the grace is over.
            Err(dropped) => {
                let held = self.held.dropped(dropped.id());
                return self.release(held);
            }
        };
        let is_handled = matches!(end, AttemptEnd::Settle(Settled::Handled) | AttemptEnd::Committed);
        let is_settled_later = matches!(end, AttemptEnd::Settle(_));
        let held = self.held.ended(lease.id, task);
        match end {
            AttemptEnd::Settle(outcome) => self.finished.extend(held.map(|lease| Settlement::new(lease, outcome))),
            AttemptEnd::Committed => self.held.settled(lease),
            // The delivery was claimed again while it ran, so it was not committed under the old lease.
            AttemptEnd::Lost if held.is_some_and(|held| held != lease) => {
                let behind = self.behind.take(lease.id);
                return self.release(held.into_iter().chain(behind));
            }
            AttemptEnd::Lost => {
                lost(&[lease]);
                self.lose(lease);
                return;
            }
        }
        if is_settled_later && self.worker.handling.is_transactional() {
            // The settlement must not overlap with the commit of the next one, which would change the same order.
            let behind = self.behind.take(lease.id);
            self.release(behind);
        } else if let Some(next) = self.behind.next(lease.id, is_handled) {
            self.held.follows(next.lease, held.unwrap_or(lease));
            self.unchecked.push_back(next);
        }
    }

    /// Removes a lost lease, and releases the deliveries that wait for its delivery, because another worker may be handling their order.
    /// Returns whether its handler was running.
    fn lose(&mut self, lease: Lease) -> bool {
        let behind = self.behind.take(lease.id);
        self.release(behind);
        self.held.lost(lease)
    }

    /// Another worker has taken over a delivery that had ended here, or will take it over, and with it the order. A delivery that began after it
    /// here is released. One that has ended, too, is still settled, but no longer renewed.
    fn taken_over(&mut self, lease: Lease) {
        let mut ended = lease;
        while let Some(next) = self.held.follower(ended) {
            let behind = self.behind.take(next.id);
            self.release(behind);
            let waiting = self.unchecked.len() + self.queue.len();
            self.unchecked.retain(|claimed| claimed.lease != next);
            self.queue.retain(|(lease, _)| *lease != next);
            if self.unchecked.len() + self.queue.len() < waiting {
                return self.release([next]);
            }
            // It is released when its task has ended.
            if self.held.abort(next) {
                return;
            }
            self.held.not_renewed(next);
            ended = next;
        }
    }

    fn release(&mut self, leases: impl IntoIterator<Item = Lease>) {
        for lease in leases {
            self.held.not_renewed(lease);
            self.finished.push(Settlement::new(lease, Settled::Released));
        }
    }

    fn claimed(&mut self, claimed_at: Timestamp, term: Term, claims: Result<Claims, StoreError>) {
        let poll = claimed_at.after(self.worker.poll);
        let claims = match claims {
            Ok(claims) => claims,
            Err(error) => {
                tracing::error!(%error, "could not claim deliveries");
                self.look_at = claimed_at.after(AFTER_FAILURE);
                return;
            }
        };
        self.alive.claimed(claimed_at);
        self.claim_at = self.next_claim_at(claims.deliveries.len());
        let oldest = claims.deliveries.iter().map(|delivery| delivery.received_at).min().unwrap_or(claimed_at);
        telemetry::backlog_age(claimed_at.since(oldest));
        self.worker.meters.backlog(claimed_at.since(oldest));
        self.look_at = claims.next_due.map_or(poll, |due| due.min(poll));
        self.may_be_due |= claims.deliveries.len() == self.worker.batch || claims.has_suspect;
        self.suspect = self.suspect.after(&claims);
        self.turn = self.turn.wrapping_add(claims.deliveries.len() as u64);
        if self.held.is_empty() {
            self.renew_at = claimed_at.after(self.worker.lease / 3);
        }
        let beside_others = self.held.beside_others(&claims.deliveries);
        for mut claimed in claims.deliveries {
            let mut behind = std::mem::take(&mut claimed.behind);
            behind.retain(|next| self.held.claimed(next, term));
            behind.iter().for_each(|next| self.held.waits_behind(next.lease));
            let is_to_run = self.held.claimed(&claimed, term);
            let is_beside_another = beside_others.contains(&claimed.lease.id);
            if is_beside_another {
                (self.has_lost_some, self.renew_at) = (true, claimed_at);
            }
            if self.stopping || is_beside_another {
                self.release(is_to_run.then_some(claimed.lease).into_iter().chain(behind.iter().map(|next| next.lease)));
                continue;
            }
            self.behind.claimed(claimed.lease.id, claimed.stage, behind);
            if is_to_run {
                self.unchecked.push_back(claimed);
            }
        }
        if self.is_idle()
            && self.suspect == Suspect::None
            && self.unchecked.is_empty()
            && self.queue.is_empty()
            && self.finished.is_empty()
        {
            self.idle.report(self.claimed_for);
        }
    }

    fn settled(&mut self, settlements: Vec<Settlement>, lost: Lost) {
        match lost {
            Ok(lost) => {
                self::lost(&lost);
                lost.into_iter().for_each(|lease| self.taken_over(lease));
                for settlement in settlements {
                    self.held.settled(settlement.lease);
                }
                self.may_be_due |= self.idle.is_pending();
            }
            Err(error) if self.grace_over => {
                tracing::error!(%error, "could not settle deliveries; they will be handled again after their leases end");
                for Settlement { lease, .. } in settlements {
                    self.taken_over(lease);
                    self.held.settled(lease);
                }
            }
            Err(error) => {
                tracing::error!(%error, "could not settle deliveries; retrying");
                self.finished.extend(settlements);
                self.settle_at = self.worker.clock.now().after(AFTER_FAILURE);
            }
        }
    }

    fn renewed(&mut self, leases: &[Lease], term: Term, lost: Lost) {
        match lost {
            Ok(lost) => {
                let now = self.worker.clock.now();
                let taken_over: Vec<_> = lost.iter().copied().filter(|lease| self.held.may_be_taken_over(*lease, now)).collect();
                taken_over.into_iter().for_each(|lease| self.taken_over(lease));
                self.held.renewed(leases, term);
                self.may_be_due |= std::mem::take(&mut self.has_lost_some);
                for lease in lost {
                    // A lease that was settled while it was being renewed is also returned as lost.
                    if self.lose(lease) {
                        tracing::warn!(id = %lease.id, "lease lost: another worker has taken over");
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "could not renew leases; retrying");
                self.renew_at = self.worker.clock.now().after(AFTER_FAILURE);
            }
        }
    }

    /// Stops claiming and releases deliveries that have not started.
    fn stop(&mut self) {
        self.stopping = true;
        self.grace = Some(Box::pin(tokio::time::sleep(self.worker.grace)));
        let unchecked = std::mem::take(&mut self.unchecked).into_iter().map(|claimed| claimed.lease);
        let queued = std::mem::take(&mut self.queue).into_iter().map(|(lease, _)| lease);
        let waiting: Vec<_> = unchecked.chain(queued).chain(self.behind.take_all()).collect();
        self.release(waiting);
    }

    /// Drops the handlers that are still running. Their deliveries are released.
    fn give_up(&mut self) {
        self.grace_over = true;
        if !self.running.is_empty() {
            tracing::warn!(
                handlers = self.running.len(),
                "handlers were still running at the end of the shutdown's grace; they will run again later"
            );
        }
        self.checking.abort_all();
        self.running.abort_all();
    }
}

/// A delivery that the handler can be called for.
enum Ready {
    /// The worker has no checks. The delivery is not read yet, so that no task but the attempt's own is needed.
    Unchecked(Box<ClaimedDelivery>),
    Checked(Box<Delivery>),
}

impl Ready {
    async fn attempt(self, worker: &WorkerBuilder, lease: Lease) -> AttemptEnd {
        let delivery = match self {
            Self::Checked(delivery) => delivery,
            Self::Unchecked(claimed) => match check(worker, *claimed).await {
                Checked::Passed(delivery) => delivery,
                Checked::Ended(end) => return end,
            },
        };
        attempt(worker, lease, &delivery).await
    }
}

/// A delivery whose handler may have ended the process several times. It runs while nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspect {
    None,
    /// A suspect is due. The worker claims no others until it can run.
    IsDue,
    /// It was claimed. Nothing else is claimed until it has ended.
    Runs,
}

impl Suspect {
    fn after(self, claims: &Claims) -> Self {
        match self {
            Self::IsDue if claims.deliveries.is_empty() => Self::None,
            Self::IsDue => Self::Runs,
            Self::None | Self::Runs if claims.has_suspect => Self::IsDue,
            Self::None | Self::Runs => Self::None,
        }
    }
}

/// Logs and counts leases that were lost before their settlement.
fn lost(leases: &[Lease]) {
    if !leases.is_empty() {
        tracing::warn!(lost = ?leases, "leases were lost: another worker has taken over or completed the deliveries");
        telemetry::leases_lost(leases.len());
    }
}

/// Waits for the call in flight, or for ever if there is none.
async fn in_flight<T>(slot: &mut InFlight<T>) -> T {
    let Some(future) = slot else { return pending().await };
    let output = future.await;
    *slot = None;
    output
}

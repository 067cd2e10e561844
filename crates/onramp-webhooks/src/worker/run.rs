//! The worker's loop: one task owns all that is claimed, running and finished, so that nothing is shared and nothing is locked.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::WorkerBuilder;
use super::attempt::{End, attempt};
use super::held::Held;
use crate::clock::Timestamp;
use crate::inbox::{ClaimRequest, ClaimedDelivery, Claims, Lease, Settled, Settlement};
use crate::patience::within;
use crate::store_error::StoreError;
use crate::telemetry;

/// Pause after the inbox failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// How long the inbox may take for one call; longer than any store that looks after itself. What was not answered may have happened; then
/// it is found out as a lost lease, or a lease that ends.
const ANSWER: Duration = Duration::from_secs(45);

/// How long one round of pruning may take.
const PRUNING: Duration = Duration::from_secs(600);

/// Pause between two rounds of pruning, once nothing is left to prune.
const BETWEEN_PRUNES: Duration = Duration::from_secs(600);

/// The leases that were lost, when the inbox could say.
type Lost = Result<Vec<Lease>, StoreError>;

type InFlight<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// What the loop waits for.
enum Happened {
    Ended(Result<(Id, (Lease, End)), JoinError>),
    Claimed(Timestamp, Result<Claims, StoreError>),
    Settled(Vec<Settlement>, Lost),
    Renewed(Vec<Lease>, Timestamp, Lost),
    MayBeDue,
    Time,
    Stop,
    GraceOver,
}

pub(super) struct Run {
    worker: Arc<WorkerBuilder>,
    stopped: watch::Receiver<bool>,
    stopping: bool,
    held: Held,
    /// Claimed, and not begun.
    queue: VecDeque<ClaimedDelivery>,
    running: JoinSet<(Lease, End)>,
    /// Finished, and not yet being settled.
    finished: Vec<Settlement>,
    claiming: InFlight<(Timestamp, Result<Claims, StoreError>)>,
    settling: InFlight<(Vec<Settlement>, Lost)>,
    renewing: InFlight<(Vec<Lease>, Timestamp, Lost)>,
    pruning: InFlight<()>,
    grace: InFlight<()>,
    grace_over: bool,
    /// Something may be due.
    hungry: bool,
    /// When to look again even if nothing says so.
    look_at: Timestamp,
    /// Not to settle again before, because the inbox failed.
    settle_at: Timestamp,
    renew_at: Timestamp,
}

impl Run {
    pub(super) fn new(worker: Arc<WorkerBuilder>, stopped: watch::Receiver<bool>) -> Self {
        let now = worker.clock.now();
        let renew_at = now.after(worker.lease / 3);
        Self {
            stopped,
            stopping: false,
            held: Held::default(),
            queue: VecDeque::new(),
            running: JoinSet::new(),
            finished: Vec::new(),
            claiming: None,
            settling: None,
            renewing: None,
            pruning: prune(Arc::clone(&worker)),
            grace: None,
            grace_over: false,
            hungry: true,
            look_at: now,
            settle_at: now,
            renew_at,
            worker,
        }
    }

    pub(super) async fn run(mut self) {
        while !(self.stopping && self.is_idle()) {
            self.begin();
            match self.next().await {
                Happened::Ended(ended) => self.ended(ended),
                Happened::Claimed(asked_at, claims) => self.claimed(asked_at, claims),
                Happened::Settled(settlements, lost) => self.settled(settlements, lost),
                Happened::Renewed(leases, until, lost) => self.renewed(&leases, until, lost),
                Happened::MayBeDue => self.hungry = true,
                Happened::Time => {}
                Happened::Stop => self.stop(),
                Happened::GraceOver => self.give_up(),
            }
        }
    }

    /// Waits for the next thing that changes what can be done. Cancel-safe: whatever is under way stays under way.
    async fn next(&mut self) -> Happened {
        let (clock, inbox) = (&self.worker.clock, &self.worker.inbox);
        // A worker that stops leaves what wakes it to others.
        let looking = !self.hungry && !self.stopping;
        let settling_later = !self.finished.is_empty() && self.settling.is_none();
        let renewing_later = !self.held.is_empty() && self.renewing.is_none();
        tokio::select! {
            Some(ended) = self.running.join_next_with_id() => Happened::Ended(ended),
            (asked_at, claims) = in_flight(&mut self.claiming) => Happened::Claimed(asked_at, claims),
            (settlements, lost) = in_flight(&mut self.settling) => Happened::Settled(settlements, lost),
            (leases, until, lost) = in_flight(&mut self.renewing) => Happened::Renewed(leases, until, lost),
            () = in_flight(&mut self.pruning) => Happened::Time,
            () = in_flight(&mut self.grace) => Happened::GraceOver,
            () = inbox.wait_for_work(), if looking => Happened::MayBeDue,
            () = clock.sleep_until(self.look_at), if looking => Happened::MayBeDue,
            () = clock.sleep_until(self.settle_at), if settling_later => Happened::Time,
            () = clock.sleep_until(self.renew_at), if renewing_later => Happened::Time,
            // An error: the worker was dropped, and goes on.
            Ok(_) = self.stopped.wait_for(|stopped| *stopped), if !self.stopping => Happened::Stop,
        }
    }

    fn is_idle(&self) -> bool {
        self.held.is_empty() && self.running.is_empty() && self.claiming.is_none() && self.settling.is_none()
    }

    /// Starts whatever can start now.
    fn begin(&mut self) {
        let now = self.worker.clock.now();
        // A clock that went back must not put off what goes by it.
        self.look_at = self.look_at.min(now.after(self.worker.poll));
        self.settle_at = self.settle_at.min(now.after(AFTER_FAILURE));
        self.renew_at = self.renew_at.min(now.after(self.worker.lease / 3));
        self.begin_attempts(now);
        self.begin_settling(now);
        self.begin_renewing(now);
        self.begin_claiming(now);
    }

    fn begin_attempts(&mut self, now: Timestamp) {
        while self.running.len() < self.worker.concurrency {
            let Some(claimed) = self.queue.pop_front() else { break };
            let lease = claimed.lease;
            if !self.held.holds(lease, now) {
                self.held.lost(lease);
                continue;
            }
            let worker = Arc::clone(&self.worker);
            let running = self.running.spawn(async move { (lease, attempt(&worker, claimed).await) });
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
        let (inbox, leases, until) = (Arc::clone(&self.worker.inbox), self.held.all(), now.after(self.worker.lease));
        if !leases.is_empty() {
            self.renewing = Some(Box::pin(async move {
                let lost = within(ANSWER, "renew leases", inbox.renew(leases.clone(), until)).await;
                (leases, until, lost)
            }));
        }
    }

    fn begin_claiming(&mut self, now: Timestamp) {
        if self.stopping || !self.hungry || self.claiming.is_some() || self.queue.len() > self.worker.batch / 2 {
            return;
        }
        // After an outage or a jump of the clock: claiming would hand out anew what is running or handled here.
        if self.held.has_expired(now) {
            return;
        }
        self.hungry = false;
        let (inbox, request) = (Arc::clone(&self.worker.inbox), ClaimRequest::new(self.worker.batch, self.worker.lease));
        self.claiming = Some(Box::pin(async move { (now, within(ANSWER, "claim deliveries", inbox.claim(now, request)).await) }));
    }

    fn ended(&mut self, ended: Result<(Id, (Lease, End)), JoinError>) {
        let (held, outcome) = match ended {
            Ok((task, (lease, end))) => {
                let held = self.held.ended(lease.id, task);
                match end {
                    End::Settle(outcome) => (held, outcome),
                    // Claimed anew while it ran, and so it was not committed under the old lease.
                    End::Lost if held.is_some_and(|held| held != lease) => (held, Settled::Released),
                    End::Committed => return self.held.settled(lease),
                    End::Lost => {
                        lost(&[lease]);
                        return self.held.settled(lease);
                    }
                }
            }
            // An attempt catches its panics, so this one was dropped: its lease was lost, or the grace is over.
            Err(dropped) => (self.held.dropped(dropped.id()), Settled::Released),
        };
        self.finished.extend(held.map(|lease| Settlement::new(lease, outcome)));
    }

    fn claimed(&mut self, asked_at: Timestamp, claims: Result<Claims, StoreError>) {
        let poll = asked_at.after(self.worker.poll);
        let claims = match claims {
            Ok(claims) => claims,
            Err(error) => {
                tracing::error!(%error, "could not claim deliveries");
                self.look_at = asked_at.after(AFTER_FAILURE);
                return;
            }
        };
        let oldest = claims.deliveries.first().map_or(asked_at, |delivery| delivery.received_at);
        telemetry::backlog_age(asked_at.since(oldest));
        self.look_at = claims.next_due.map_or(poll, |due| due.min(poll));
        self.hungry |= claims.deliveries.len() == self.worker.batch;
        let until = asked_at.after(self.worker.lease);
        if self.held.is_empty() {
            self.renew_at = asked_at.after(self.worker.lease / 3);
        }
        for claimed in claims.deliveries {
            if self.held.claimed(claimed.lease, until) {
                if self.stopping {
                    self.finished.push(Settlement::new(claimed.lease, Settled::Released));
                } else {
                    self.queue.push_back(claimed);
                }
            }
        }
    }

    fn settled(&mut self, settlements: Vec<Settlement>, lost: Lost) {
        match lost {
            Ok(lost) => {
                self::lost(&lost);
                for settlement in settlements {
                    self.held.settled(settlement.lease);
                }
            }
            Err(error) if self.grace_over => {
                tracing::error!(%error, "could not record what came of deliveries; they will be handled again once their leases end");
                settlements.iter().for_each(|settlement| self.held.settled(settlement.lease));
            }
            Err(error) => {
                tracing::error!(%error, "could not record what came of deliveries; trying again");
                self.finished.extend(settlements);
                self.settle_at = self.worker.clock.now().after(AFTER_FAILURE);
            }
        }
    }

    fn renewed(&mut self, leases: &[Lease], until: Timestamp, lost: Lost) {
        match lost {
            Ok(lost) => {
                self.held.renewed(leases, until);
                for lease in lost {
                    // A lease that was settled while it was being renewed is answered as lost, too.
                    if self.held.lost(lease) {
                        tracing::warn!(id = %lease.id, "lease lost: another worker has taken over");
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "could not renew leases; trying again");
                self.renew_at = self.worker.clock.now().after(AFTER_FAILURE);
            }
        }
    }

    /// Claims no more, and gives back what has not begun.
    fn stop(&mut self) {
        self.stopping = true;
        self.pruning = None;
        self.grace = Some(Box::pin(tokio::time::sleep(self.worker.grace)));
        for claimed in std::mem::take(&mut self.queue) {
            self.finished.push(Settlement::new(claimed.lease, Settled::Released));
        }
    }

    /// Drops the handlers that still run; their deliveries are given back.
    fn give_up(&mut self) {
        self.grace_over = true;
        if !self.running.is_empty() {
            tracing::warn!(
                handlers = self.running.len(),
                "still running at the end of the shutdown's grace; they will run again"
            );
        }
        self.running.abort_all();
    }
}

/// Says that settlements were refused.
fn lost(leases: &[Lease]) {
    if !leases.is_empty() {
        tracing::warn!(lost = ?leases, "another worker had taken over, or it was completed before; that outcome counts");
        telemetry::leases_lost(leases.len());
    }
}

/// Waits for what is in flight; for ever when nothing is.
async fn in_flight<T>(slot: &mut InFlight<T>) -> T {
    let Some(future) = slot else { return pending().await };
    let output = future.await;
    *slot = None;
    output
}

/// Prunes for as long as the worker lives.
fn prune(worker: Arc<WorkerBuilder>) -> InFlight<()> {
    let retention = worker.retention?;
    Some(Box::pin(async move {
        loop {
            match within(PRUNING, "prune", worker.inbox.prune(worker.clock.now(), retention)).await {
                Ok(0) => worker.clock.sleep_until(worker.clock.now().after(BETWEEN_PRUNES)).await,
                Ok(pruned) => tracing::debug!(pruned, "pruned handled deliveries"),
                Err(error) => {
                    tracing::error!(%error, "could not prune");
                    worker.clock.sleep_until(worker.clock.now().after(BETWEEN_PRUNES)).await;
                }
            }
        }
    }))
}

//! A model of the store, beside it: the leases, the order of events, and the handlers that run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use onramp_webhooks::Delivery;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{ClaimedDelivery, Claims, DeadCause, DeliveryId, Lease, NewDelivery, Recorded, Settled, Settlement};

/// The deliveries as the calls of the store show them.
#[derive(Debug, Default)]
pub(crate) struct Model {
    known: BTreeMap<DeliveryId, Known>,
    /// The stages that were handled, by order.
    handled: BTreeMap<String, BTreeSet<OrderStage>>,
    /// The stages that a handler has completed, by claim and order.
    completed: BTreeMap<(u64, String), BTreeSet<OrderStage>>,
    running: BTreeMap<u64, (u64, String)>,
    numbers: u64,
}

#[derive(Debug, Default)]
struct Known {
    order: Option<String>,
    stage: Option<OrderStage>,
    waits: bool,
    /// Set while it was never settled since it was recorded or requeued.
    is_untried: bool,
    fence: i64,
    held: Option<Held>,
    /// The cause of a dead letter.
    cause: Option<DeadCause>,
    recorded_at: Duration,
    begun_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    until: Timestamp,
    process: u64,
    claim: u64,
    is_stale: bool,
    /// Set if the clock was set back while the claim was on its way. It can have ended leases that their holders have every reason to trust.
    is_ahead: bool,
    /// Set if nothing is handled under it any more: the worker that holds it has ended, does not renew it, or learned with its renewal that
    /// its order was lost.
    is_to_release: bool,
}

impl Model {
    /// Adds a delivery. Returns the guarantee that its recording breaks.
    pub(crate) fn recorded(&mut self, new: &NewDelivery, recorded: Recorded, at: Duration) -> Option<String> {
        match recorded {
            Recorded::New(id) => {
                let order = new.stage.and(new.key.as_ref()).map(|key| key.subject().to_owned());
                let waits = new.quarantine.is_none();
                let known = Known { order, stage: new.stage, waits, is_untried: true, recorded_at: at, ..Known::default() };
                self.known.insert(id, known);
            }
            Recorded::Duplicate { first, requeued: true } => {
                let cause = self.known.get(&first).and_then(|known| known.cause);
                self.requeued(first);
                let is_final = cause.filter(|cause| *cause != DeadCause::AttemptsUsedUp);
                return is_final.map(|cause| format!("a duplicate requeued {first}, which is dead: {cause}"));
            }
            _ => {}
        }
        None
    }

    pub(crate) fn requeued(&mut self, id: DeliveryId) {
        let known = self.known.entry(id).or_default();
        (known.waits, known.is_untried, known.held, known.cause) = (true, true, None, None);
    }

    /// Adds a claim with the time `now`, which arrived at `arrived`. Returns the guarantees that it breaks.
    pub(crate) fn claimed(
        &mut self,
        now: Timestamp,
        arrived: Timestamp,
        lease: Duration,
        process: u64,
        claims: &Claims,
    ) -> Vec<String> {
        self.numbers += 1;
        let claim = self.numbers;
        let mut violations = Vec::new();
        for head in &claims.deliveries {
            violations.extend(self.overtaken(head));
            for claimed in [head].into_iter().chain(&head.behind) {
                violations.extend(self.held_twice(now, claim, process, claimed));
                let known = self.known.entry(claimed.lease.id).or_default();
                let order = claimed.stage.and(claimed.key.as_ref()).map(DedupKey::subject);
                // A conflict becomes known when an operator replays it.
                (known.order, known.stage) = (order.map(str::to_owned), claimed.stage);
                let handled = order.and_then(|order| self.handled.get(order));
                let is_stale =
                    handled.into_iter().flatten().any(|handled| known.stage.is_some_and(|stage| stage.is_before(*handled)));
                if is_stale != claimed.stale {
                    violations.push(format!("{} is claimed with stale = {}", claimed.lease.id, claimed.stale));
                }
                known.fence = claimed.lease.fence;
                known.held = Some(Held {
                    until: now.after(lease),
                    process,
                    claim,
                    is_stale,
                    is_ahead: arrived < now,
                    is_to_release: false,
                });
            }
        }
        violations
    }

    /// Returns a violation if an older event of the order waits and was never settled, and the head itself was not either. A head whose lease
    /// has ended remains the head.
    fn overtaken(&self, head: &ClaimedDelivery) -> Option<String> {
        let (id, known) = self.known.get_key_value(&head.lease.id)?;
        if !known.is_untried || known.held.is_some() {
            return None;
        }
        let order = known.order.as_ref()?;
        let waits = |(_, other): &(&DeliveryId, &Known)| other.order.as_ref() == Some(order) && other.waits && other.is_untried;
        let older = self.known.range(..id).find(waits)?;
        Some(format!("{id} was claimed before {}, an older event of its order", older.0))
    }

    /// Returns a violation if the delivery or another one of its order is held under an earlier claim.
    fn held_twice(&self, now: Timestamp, claim: u64, process: u64, claimed: &ClaimedDelivery) -> Option<String> {
        let known = self.known.get(&claimed.lease.id)?;
        if claimed.lease.fence <= known.fence {
            return Some(format!("the fencing token of {} did not grow", claimed.lease.id));
        }
        let is_held = |known: &Known| known.held.is_some_and(|held| held.claim != claim && now < held.until);
        // A worker that has lost the head releases those behind it, and may renew them once more until then.
        let is_elsewhere = |other: &Known| other.held.is_some_and(|held| held.process != process && !held.is_to_release);
        let of_order = |other: &Known| known.order.is_some() && other.order == known.order && is_elsewhere(other);
        let other = self.known.iter().find(|(id, other)| (**id == claimed.lease.id || of_order(other)) && is_held(other))?;
        Some(format!("{} was claimed while {} of its order was held", claimed.lease.id, other.0))
    }

    pub(crate) fn renewed(&mut self, process: u64, leases: &[Lease], lost: &[Lease], until: Timestamp) {
        for (id, known) in &mut self.known {
            let lease = Lease::new(*id, known.fence);
            if let Some(held) = known.held.as_mut().filter(|held| held.process == process && !leases.contains(&lease)) {
                held.is_to_release = true;
            }
        }
        let order = |lease: &Lease| self.known.get(&lease.id)?.order.clone();
        let orders: BTreeSet<_> = lost.iter().filter_map(order).collect();
        for lease in leases.iter().filter(|lease| !lost.contains(lease)) {
            let Some(known) = self.known.get_mut(&lease.id) else { continue };
            let is_lost = known.order.as_ref().is_some_and(|order| orders.contains(order));
            if let Some(held) = &mut known.held {
                (held.until, held.is_to_release) = (until, is_lost);
            }
        }
    }

    /// Notes that a process has ended.
    pub(crate) fn ended(&mut self, process: u64) {
        let held = self.known.values_mut().filter_map(|known| known.held.as_mut());
        held.filter(|held| held.process == process).for_each(|held| held.is_to_release = true);
    }

    /// Ends leases. Returns the guarantees that the settlement breaks.
    pub(crate) fn settled(&mut self, settlements: &[Settlement], lost: &[Lease]) -> Vec<String> {
        settlements.iter().filter_map(|settlement| self.settle(settlement, lost.contains(&settlement.lease))).collect()
    }

    fn settle(&mut self, settlement: &Settlement, is_lost: bool) -> Option<String> {
        let (lease, known) = (settlement.lease, self.known.get_mut(&settlement.lease.id)?);
        let is_held = known.held.is_some() && known.fence == lease.fence;
        if is_lost {
            return is_held.then(|| format!("the settlement of {} was refused although it is held", lease.id));
        }
        let violation = (!is_held).then(|| format!("the settlement of {} was accepted although its lease was lost", lease.id));
        known.held = None;
        match settlement.outcome {
            Settled::Handled => {
                known.waits = false;
                if let Some((order, stage)) = known.order.clone().zip(known.stage) {
                    self.handled.entry(order).or_default().insert(stage);
                }
            }
            Settled::Dead { cause, .. } => (known.waits, known.cause) = (false, Some(cause)),
            Settled::Retry { .. } | Settled::Parked { .. } => known.is_untried = false,
            _ => {}
        }
        violation
    }

    /// Begins a call of the handler. Returns its number, and the guarantees that it breaks. With `is_exact`, the lease was checked at this
    /// moment.
    pub(crate) fn begins(
        &mut self,
        at: Duration,
        now: Timestamp,
        process: u64,
        delivery: &Delivery,
        is_exact: bool,
    ) -> (u64, Vec<String>) {
        let mut violations = Vec::new();
        self.numbers += 1;
        let Some(known) = self.known.get_mut(&delivery.id()) else { return (self.numbers, violations) };
        known.begun_at.get_or_insert(at);
        let order = known.order.clone().unwrap_or_else(|| delivery.id().to_string());
        let is_elsewhere = |held: &Held| held.process != process && now < held.until && !held.is_ahead;
        if let Some(held) = known.held.filter(|held| is_exact && is_elsewhere(held)) {
            violations.push(format!("process {process} handles {}, which process {} holds", delivery.id(), held.process));
        }
        if is_exact && self.running.values().any(|(other, running)| (*other, running) == (process, &order)) {
            violations.push(format!("two handlers of one process handle {order} at the same time"));
        }
        if let Some((held, stage)) = known.held.filter(|held| held.process == process).zip(known.stage) {
            let before = self.completed.get(&(held.claim, order.clone())).into_iter().flatten();
            let is_stale = held.is_stale || before.into_iter().any(|completed| stage.is_before(*completed));
            if is_stale && !delivery.is_stale() {
                violations.push(format!("{} is stale, and its handler does not know it", delivery.id()));
            }
        }
        self.running.insert(self.numbers, (process, order));
        (self.numbers, violations)
    }

    /// Ends a call of the handler.
    pub(crate) fn ends(&mut self, number: u64) {
        self.running.remove(&number);
    }

    /// Notes that a handler has returned `Ok`.
    pub(crate) fn completes(&mut self, process: u64, id: DeliveryId) {
        let Some(known) = self.known.get(&id) else { return };
        let held = known.held.filter(|held| held.process == process);
        if let Some(((held, order), stage)) = held.zip(known.order.clone()).zip(known.stage) {
            self.completed.entry((held.claim, order)).or_default().insert(stage);
        }
    }

    /// Returns how long a delivery waited for the first call of its handler.
    pub(crate) fn waited(&self, id: DeliveryId) -> Option<Duration> {
        let known = self.known.get(&id)?;
        Some(known.begun_at?.saturating_sub(known.recorded_at))
    }
}

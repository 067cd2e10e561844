//! An inbox in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    ClaimRequest, ClaimedDelivery, Claims, Counts, DeadCause, Filter, Inbox, Lease, QuarantineBound, Record, Recorded, Replayed,
    Retention, Settled, Settlement, State, conflict_note,
};
use crate::clock::Timestamp;
use crate::delivery::{DeliveryId, NewDelivery};
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{DedupKey, OrderStage};

/// An [`Inbox`] in memory, for tests. **It loses everything when the process ends**; shops that credit money need a store on disk.
#[derive(Debug, Default)]
pub struct MemoryInbox {
    rows: Mutex<Rows>,
    work: Notify,
}

#[derive(Debug, Default)]
struct Rows {
    last_id: i64,
    by_id: BTreeMap<DeliveryId, Row>,
    by_key: BTreeMap<DedupKey, DeliveryId>,
    pending: BTreeSet<DeliveryId>,
    due: BTreeSet<(Timestamp, DeliveryId)>,
    noise: BTreeSet<DeliveryId>,
    bound: QuarantineBound,
}

#[derive(Debug)]
struct Row {
    record: Record,
    key_expires_at: Option<Timestamp>,
    fence: i64,
}

impl MemoryInbox {
    /// Creates an empty inbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty inbox with the given limits of noise.
    #[must_use]
    pub fn with_quarantine(bound: QuarantineBound) -> Self {
        Self { rows: Mutex::new(Rows { bound, ..Rows::default() }), work: Notify::new() }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn insert(&mut self, new: NewDelivery, key: Option<DedupKey>, state: State, note: Option<String>) -> DeliveryId {
        self.last_id += 1;
        let id = DeliveryId::from_i64(self.last_id);
        let noise = new.quarantine.as_ref().is_some_and(|quarantine| quarantine.noise);
        let record = Record {
            id,
            endpoint: new.endpoint,
            provider: new.provider,
            event_type: new.event_type,
            key: key.clone(),
            stage: new.stage,
            fingerprint: new.fingerprint,
            state,
            received_at: new.received_at,
            due_at: None,
            settled_at: None,
            cause: None,
            attempts: 0,
            duplicates: 0,
            note,
            body: Some(new.body),
        };
        if let Some(key) = key {
            self.by_key.insert(key, id);
        }
        match state {
            State::Pending => drop(self.pending.insert(id)),
            State::Quarantined if noise => drop(self.noise.insert(id)),
            _ => {}
        }
        self.by_id.insert(id, Row { record, key_expires_at: new.key_expires_at, fence: 0 });
        id
    }

    /// Moves a row to `state` and updates the sets of pending and waiting rows.
    fn transition(&mut self, id: DeliveryId, state: State, due_at: Option<Timestamp>) -> Option<&mut Row> {
        let row = self.by_id.get_mut(&id)?;
        if let Some(due_at) = row.record.due_at.take() {
            self.due.remove(&(due_at, id));
        }
        self.pending.remove(&id);
        if state != State::Quarantined {
            self.noise.remove(&id);
        }
        row.record.state = state;
        row.record.due_at = due_at;
        match due_at {
            Some(due_at) => drop(self.due.insert((due_at, id))),
            None if state == State::Pending => drop(self.pending.insert(id)),
            None => {}
        }
        Some(row)
    }

    fn requeue(&mut self, id: DeliveryId) {
        if let Some(row) = self.transition(id, State::Pending, None) {
            row.record.attempts = 0;
            row.record.settled_at = None;
            row.record.cause = None;
        }
    }

    fn remove(&mut self, id: DeliveryId) {
        self.transition(id, State::Handled, None);
        if let Some(Row { record: Record { key: Some(key), .. }, .. }) = self.by_id.remove(&id)
            && self.by_key.get(&key) == Some(&id)
        {
            self.by_key.remove(&key);
        }
    }

    /// Returns the delivery that holds `key`. Removes the key from the delivery if it has expired.
    fn take_holder(&mut self, key: &DedupKey, now: Timestamp) -> Option<DeliveryId> {
        let first = *self.by_key.get(key)?;
        let row = self.by_id.get_mut(&first)?;
        if row.key_expires_at.is_some_and(|expires| expires <= now) {
            row.record.key = None;
            self.by_key.remove(key);
            return None;
        }
        Some(first)
    }

    fn repeats(&self, first: DeliveryId, new: &NewDelivery) -> bool {
        self.by_id.get(&first).is_some_and(|row| row.record.fingerprint.is_repeated_by(&new.fingerprint))
    }

    fn count_duplicate(&mut self, first: DeliveryId) -> bool {
        let Some(row) = self.by_id.get_mut(&first) else { return false };
        row.record.duplicates += 1;
        let requeued = row.record.state == State::Retrying || row.record.cause == Some(DeadCause::AttemptsUsedUp);
        if requeued {
            self.requeue(first);
        }
        requeued
    }

    fn evict_noise(&mut self) {
        let mut bytes: u64 = self.noise.iter().map(|id| self.body_size(*id)).sum();
        while self.noise.len() as u64 > u64::from(self.bound.deliveries) || bytes > self.bound.bytes {
            let Some(oldest) = self.noise.first().copied() else { break };
            bytes -= self.body_size(oldest);
            self.remove(oldest);
        }
    }

    fn body_size(&self, id: DeliveryId) -> u64 {
        self.by_id.get(&id).and_then(|row| row.record.body.as_ref()).map_or(0, |body| body.len() as u64)
    }

    fn record(&mut self, new: NewDelivery) -> Recorded {
        if let Some(key) = &new.key
            && let Some(first) = self.take_holder(key, new.received_at)
        {
            if self.repeats(first, &new) {
                return Recorded::Duplicate { first, requeued: self.count_duplicate(first) };
            }
            return Recorded::Conflict { first, kept: self.keep_conflict(first, new) };
        }
        let (state, note) = match &new.quarantine {
            Some(quarantine) => (State::Quarantined, Some(quarantine.reason.clone())),
            None => (State::Pending, None),
        };
        let key = new.key.clone();
        let id = self.insert(new, key, state, note);
        self.evict_noise();
        Recorded::New(id)
    }

    fn keep_conflict(&mut self, first: DeliveryId, new: NewDelivery) -> DeliveryId {
        let key = new.key.as_ref().map(|key| key.conflicting(&new.fingerprint));
        match key.as_ref().and_then(|key| self.by_key.get(key).copied()) {
            Some(kept) => {
                self.count_duplicate(kept);
                kept
            }
            None => self.insert(new, key, State::Conflict, Some(conflict_note(first))),
        }
    }

    /// Returns whether an event of the same order is leased, and whether one was handled at a later stage.
    fn order_of(&self, row: &Row) -> (bool, bool) {
        let (Some(stage), Some(key)) = (row.record.stage, &row.record.key) else { return (false, false) };
        let from = DedupKey::from_parts(key.subject().to_owned(), String::new());
        let siblings = self.by_key.range(from..).take_while(|(other, _)| other.subject() == key.subject());
        let mut held = (false, false);
        for sibling in siblings.filter_map(|(_, id)| self.by_id.get(id)).filter(|sibling| sibling.record.stage.is_some()) {
            held.0 |= sibling.record.state == State::Leased;
            held.1 |=
                sibling.record.state == State::Handled && stage.is_before(sibling.record.stage.unwrap_or(OrderStage::UNPLACED));
        }
        held
    }

    fn claim(&mut self, now: Timestamp, request: ClaimRequest) -> Claims {
        while let Some((due_at, id)) = self.due.first().copied().filter(|(due_at, _)| *due_at <= now) {
            self.due.remove(&(due_at, id));
            self.transition(id, State::Pending, None);
        }
        let mut claimed = Vec::new();
        let mut after = Bound::Unbounded;
        while let Some(id) = self.pending.range((after, Bound::Unbounded)).next().copied() {
            if claimed.len() >= request.limit {
                break;
            }
            after = Bound::Excluded(id);
            let Some((busy, stale)) = self.by_id.get(&id).map(|row| self.order_of(row)) else { continue };
            if busy {
                continue;
            }
            let Some(row) = self.transition(id, State::Leased, Some(now.after(request.lease))) else { continue };
            row.fence += 1;
            claimed.push(ClaimedDelivery {
                lease: Lease::new(id, row.fence),
                attempt: row.record.attempts + 1,
                stale,
                duplicates: row.record.duplicates,
                endpoint: row.record.endpoint.clone(),
                provider: row.record.provider.clone(),
                key: row.record.key.clone(),
                fingerprint: row.record.fingerprint,
                received_at: row.record.received_at,
                body: row.record.body.clone().unwrap_or_default(),
            });
        }
        Claims::new(claimed, self.due.first().map(|(due_at, _)| *due_at))
    }

    fn holds(&self, lease: Lease) -> bool {
        self.by_id.get(&lease.id).is_some_and(|row| row.fence == lease.fence && row.record.state == State::Leased)
    }

    /// Ends a lease. Returns whether it was held.
    fn settle(&mut self, now: Timestamp, settlement: Settlement) -> bool {
        if !self.holds(settlement.lease) {
            return false;
        }
        let cause = settlement.outcome.cause();
        let (state, due_at, note, attempt_counts) = match settlement.outcome {
            Settled::Handled => (State::Handled, None, None, true),
            Settled::Retry { at, error } => (State::Retrying, Some(at), Some(error), true),
            Settled::Parked { until, reason } => (State::Parked, Some(until), Some(reason), false),
            Settled::Dead { error, .. } => (State::Dead, None, Some(error), true),
            Settled::Released => (State::Pending, None, None, false),
        };
        let Some(row) = self.transition(settlement.lease.id, state, due_at) else { return false };
        row.record.attempts += u32::from(attempt_counts);
        row.record.settled_at = matches!(state, State::Handled | State::Dead).then_some(now);
        row.record.cause = cause;
        if state != State::Pending {
            row.record.note = note;
        }
        true
    }

    fn reread(&mut self, id: DeliveryId, reread: NewDelivery) -> Option<Replayed> {
        let key = reread.key.clone();
        let holder = key.as_ref().and_then(|key| self.take_holder(key, reread.received_at)).filter(|first| *first != id);
        let Some(first) = holder else {
            let row = self.by_id.get_mut(&id)?;
            if let Some(old) = row.record.key.take() {
                self.by_key.remove(&old);
            }
            let row = self.by_id.get_mut(&id)?;
            (row.record.event_type, row.record.stage) = (reread.event_type, reread.stage);
            row.record.fingerprint = reread.fingerprint;
            (row.record.key, row.key_expires_at) = (key.clone(), reread.key_expires_at);
            if let Some(key) = key {
                self.by_key.insert(key, id);
            }
            return None;
        };
        self.remove(id);
        if self.repeats(first, &reread) {
            self.count_duplicate(first);
            return Some(Replayed::Duplicate { first });
        }
        self.keep_conflict(first, reread);
        Some(Replayed::Conflict { first })
    }
}

#[async_trait]
impl Inbox for MemoryInbox {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let recorded = self.rows().record(delivery);
        self.work.notify_one();
        Ok(recorded)
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        Ok(self.rows().claim(now, request))
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        let mut rows = self.rows();
        let (held, lost): (Vec<_>, Vec<_>) = leases.into_iter().partition(|lease| rows.holds(*lease));
        for lease in held {
            rows.transition(lease.id, State::Leased, Some(until));
        }
        Ok(lost)
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        let mut rows = self.rows();
        let end = |settlement: Settlement| (settlement.lease, rows.settle(now, settlement));
        let lost = settlements.into_iter().map(end).filter(|(_, held)| !held).map(|(lease, _)| lease).collect();
        drop(rows);
        self.work.notify_one();
        Ok(lost)
    }

    async fn wait_for_work(&self) {
        self.work.notified().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>, StoreError> {
        let rows = self.rows();
        let fits = |record: &Record| {
            (filter.states.is_empty() || filter.states.contains(&record.state))
                && filter.endpoint.as_deref().is_none_or(|endpoint| *endpoint == *record.endpoint)
                && filter.event_type.as_ref().is_none_or(|event_type| record.event_type.as_ref() == Some(event_type))
                && filter.about.as_deref().is_none_or(|id| record.key.as_ref().is_some_and(|key| key.is_about(id)))
                && filter.key.as_ref().is_none_or(|key| record.key.as_ref() == Some(key))
                && filter.before.is_none_or(|before| record.id < before)
        };
        let newest_first = rows.by_id.values().rev().map(|row| &row.record).filter(|record| fits(record));
        Ok(newest_first.take(filter.page_size()).map(|record| Record { body: None, ..record.clone() }).collect())
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        Ok(self.rows().by_id.get(&id).map(|row| row.record.clone()))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let rows = self.rows();
        let count = |state| rows.by_id.values().filter(|row| row.record.state == state).count() as u64;
        Ok(State::ALL.into_iter().map(|state| (state, count(state))).collect())
    }

    async fn requeue(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        let mut rows = self.rows();
        match rows.by_id.get(&id) {
            None => return Err(StoreError::new(StoreErrorKind::NotFound, "replay")),
            Some(row) if row.record.state == State::Leased => {
                return Err(StoreError::new(StoreErrorKind::Refused, "replay").because("a worker holds it"));
            }
            Some(row) if row.record.body.is_none() => {
                return Err(StoreError::new(StoreErrorKind::Refused, "replay").because("its body was pruned"));
            }
            Some(row) if row.record.state != seen => {
                return Err(StoreError::new(StoreErrorKind::Refused, "replay").because("its state has changed meanwhile"));
            }
            Some(_) => {}
        }
        let elsewhere = reread.and_then(|reread| rows.reread(id, reread));
        if elsewhere.is_none() {
            rows.requeue(id);
        }
        drop(rows);
        self.work.notify_one();
        Ok(elsewhere.unwrap_or(Replayed::Due))
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        let mut rows = self.rows();
        let cutoff = now.before(retention.handled);
        let old = |row: &&Row| {
            row.record.state == State::Handled
                && row.record.body.is_some()
                && row.record.settled_at.is_some_and(|settled| settled < cutoff)
        };
        let ids: Vec<_> = rows.by_id.values().filter(old).map(|row| row.record.id).collect();
        for id in &ids {
            let Some(row) = rows.by_id.get_mut(id) else { continue };
            row.record.body = None;
            if row.record.key.is_none() || row.key_expires_at.is_some_and(|expires| expires <= now) {
                rows.remove(*id);
            }
        }
        Ok(ids.len() as u64)
    }
}

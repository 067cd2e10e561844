//! An inbox in memory.

mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use self::queue::{Place, Queue};
use super::{
    ClaimRequest, ClaimedDelivery, Claims, Counts, DeadCause, Filter, HistoryEntry, HistoryKind, Inbox, Lease, Page,
    QuarantineBound, Record, Recorded, Replayed, Requeue, Restored, Retention, Settled, Settlement, State, TaskState,
    conflict_note, restorable, why_not_forgotten, why_not_resolved,
};
use crate::clock::Timestamp;
use crate::delivery::{DeliveryId, NewDelivery};
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{DedupKey, OrderStage};

/// An [`Inbox`] in memory, for tests. **It loses everything when the process ends**; shops that credit money need a store on disk.
#[derive(Default)]
pub struct MemoryInbox {
    rows: Mutex<Rows>,
    work: Notify,
}

#[derive(Debug, Default)]
struct Rows {
    last_id: i64,
    by_id: BTreeMap<DeliveryId, Row>,
    by_key: BTreeMap<DedupKey, DeliveryId>,
    queue: Queue,
    /// The number of handled deliveries of an order at each stage.
    handled: BTreeMap<(String, OrderStage), usize>,
    noise: BTreeSet<DeliveryId>,
    bound: QuarantineBound,
    tasks: BTreeMap<String, TaskState>,
}

#[derive(Debug)]
struct Row {
    record: Record,
    fence: i64,
    history: Vec<HistoryEntry>,
}

impl Row {
    /// Returns the order that the event belongs to: events with a stage and the same subject.
    fn order(&self) -> Option<&str> {
        self.record.stage.and(self.record.key.as_ref()).map(DedupKey::subject)
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.record.key_expires_at.is_some_and(|expires| expires <= now)
    }

    /// Returns whether the row is to be pruned. A key that can expire is kept, together with its body, until it has expired.
    fn is_old(&self, now: Timestamp, retention: Retention) -> bool {
        let since = self.record.settled_at.unwrap_or(self.record.received_at);
        let is_old = retention.of(self.record.state).is_some_and(|kept| since < now.before(kept));
        is_old && self.record.body.is_some() && (self.record.key_expires_at.is_none() || self.has_expired(now))
    }
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
            key_expires_at: new.key_expires_at,
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
            resolved_at: None,
            resolution: None,
            body: Some(new.body),
        };
        if let Some(key) = key {
            self.by_key.insert(key, id);
        }
        if state == State::Quarantined && noise {
            self.noise.insert(id);
        }
        self.by_id.insert(id, Row { record, fence: 0, history: Vec::new() });
        if state == State::Pending {
            self.wait(id, state, None);
        }
        id
    }

    /// Adds an entry to the history of a delivery.
    fn add(&mut self, id: DeliveryId, entry: HistoryEntry) {
        if let Some(row) = self.by_id.get_mut(&id) {
            entry.add_to(&mut row.history);
        }
    }

    /// Adds a delivery of another inbox.
    fn restore(&mut self, record: Record) -> Restored {
        let holder = record.key.as_ref().and_then(|key| self.by_key.get(key)).and_then(|id| self.by_id.get(id));
        if let Some(Row { record: holder, .. }) = holder {
            return Restored::beside(&record, holder.id, &holder.fingerprint);
        }
        self.last_id += 1;
        let id = DeliveryId::from_i64(self.last_id);
        if let Some(key) = record.key.clone() {
            self.by_key.insert(key, id);
        }
        let (state, due_at) = (record.state, record.due_at);
        self.by_id.insert(id, Row { record: Record { id, ..record }, fence: 0, history: Vec::new() });
        if state.waits() {
            self.wait(id, state, due_at);
        } else {
            self.count_handled(id, true);
        }
        Restored::New(id)
    }

    /// Moves a row to a state in which nothing waits.
    fn end(&mut self, id: DeliveryId, state: State) -> Option<&mut Row> {
        self.queue.leave(id);
        self.count_handled(id, false);
        let row = self.by_id.get_mut(&id)?;
        if state != State::Quarantined {
            self.noise.remove(&id);
        }
        (row.record.state, row.record.due_at) = (state, None);
        self.count_handled(id, true);
        self.by_id.get_mut(&id)
    }

    /// Moves a row to a state in which it waits until `again_at`, or is due if it was never settled.
    fn wait(&mut self, id: DeliveryId, state: State, again_at: Option<Timestamp>) -> Option<&mut Row> {
        self.end(id, state);
        let row = self.by_id.get_mut(&id)?;
        row.record.due_at = again_at.filter(|_| state != State::Pending);
        self.queue.enter(Place {
            id,
            endpoint: row.record.endpoint.clone(),
            order: row.order().map(str::to_owned),
            again_at,
            received_at: row.record.received_at,
        });
        Some(row)
    }

    fn requeue(&mut self, id: DeliveryId) {
        if let Some(row) = self.wait(id, State::Pending, None) {
            row.record.attempts = 0;
            row.record.settled_at = None;
            row.record.cause = None;
            (row.record.resolved_at, row.record.resolution) = (None, None);
        }
    }

    /// Adds a handled row to the stages of its order, or removes it from them.
    fn count_handled(&mut self, id: DeliveryId, adds: bool) {
        let Some(row) = self.by_id.get(&id).filter(|row| row.record.state == State::Handled) else { return };
        let Some((order, stage)) = row.order().map(str::to_owned).zip(row.record.stage) else { return };
        let count = self.handled.entry((order, stage)).or_default();
        *count = if adds { *count + 1 } else { count.saturating_sub(1) };
    }

    /// Removes the body and the notes, or the whole delivery if it was quarantined or has no key.
    fn forget(&mut self, id: DeliveryId) {
        let Some(row) = self.by_id.get_mut(&id) else { return };
        (row.record.body, row.record.note, row.record.resolution) = (None, None, None);
        row.history.iter_mut().for_each(|entry| entry.text = None);
        if row.record.key.is_none() || row.record.state == State::Quarantined {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: DeliveryId) {
        self.end(id, State::Dead);
        if let Some(Row { record: Record { key: Some(key), .. }, .. }) = self.by_id.remove(&id)
            && self.by_key.get(&key) == Some(&id)
        {
            self.by_key.remove(&key);
        }
    }

    /// Returns the delivery that holds `key`. Removes the key from the delivery if it has expired.
    fn take_holder(&mut self, key: &DedupKey, now: Timestamp) -> Option<DeliveryId> {
        let first = *self.by_key.get(key)?;
        self.take_expired_key(first, now);
        self.by_key.get(key).copied()
    }

    fn take_expired_key(&mut self, id: DeliveryId, now: Timestamp) {
        if self.by_id.get(&id).is_some_and(|row| row.has_expired(now)) {
            self.free_key(id);
        }
    }

    /// Removes the key from a delivery, which is an order of its own from then on.
    fn free_key(&mut self, id: DeliveryId) {
        self.count_handled(id, false);
        let Some(key) = self.by_id.get_mut(&id).and_then(|row| row.record.key.take()) else { return };
        self.by_key.remove(&key);
        self.queue.leave_order(id);
    }

    fn repeats(&self, first: DeliveryId, new: &NewDelivery) -> bool {
        self.by_id.get(&first).is_some_and(|row| new.repeats(&row.record.fingerprint, row.record.received_at))
    }

    fn count_duplicate(&mut self, now: Timestamp, first: DeliveryId) -> bool {
        let Some(row) = self.by_id.get_mut(&first) else { return false };
        row.record.duplicates += 1;
        let is_used_up = row.record.cause == Some(DeadCause::AttemptsUsedUp) && row.record.body.is_some();
        let requeued = row.record.state == State::Retrying || (is_used_up && row.record.resolved_at.is_none());
        self.add(first, HistoryEntry::new(HistoryKind::Duplicate, now));
        if requeued {
            self.requeue(first);
            self.add(first, HistoryEntry::new(HistoryKind::Requeued, now));
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
                return Recorded::Duplicate { first, requeued: self.count_duplicate(new.received_at, first) };
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
                self.count_duplicate(new.received_at, kept);
                kept
            }
            None => self.insert(new, key, State::Conflict, Some(conflict_note(first))),
        }
    }

    /// Returns a page of records. Looks at one after another, because an inbox in memory holds few.
    fn page(&self, filter: &Filter) -> Page {
        let (mut records, mut last) = (Vec::new(), None);
        let in_range = self.by_id.values().map(|row| &row.record).filter(|record| filter.is_in_range(record.id));
        let in_sequence: Vec<_> = if filter.oldest_first { in_range.collect() } else { in_range.rev().collect() };
        let mut bytes = 0;
        for record in in_sequence.iter().take(filter.most_searched()) {
            if records.len() == filter.page_size() || filter.is_full_of(bytes) {
                break;
            }
            if filter.accepts(record) {
                let body = record.body.clone().filter(|_| filter.bodies);
                bytes += body.as_ref().map_or(0, Bytes::len);
                records.push(Record { body, ..(*record).clone() });
            }
            last = Some((record.id, record.received_at));
        }
        Page::new(filter, records, last.filter(|(id, _)| in_sequence.last().is_some_and(|end| end.id != *id)))
    }

    /// Returns whether a later stage of the row's order was handled.
    fn is_stale(&self, row: &Row) -> bool {
        let (Some(order), Some(stage)) = (row.order(), row.record.stage) else { return false };
        let of_order = self.handled.range((order.to_owned(), OrderStage::UNPLACED)..);
        let mut of_order = of_order.take_while(|((other, _), _)| other == order);
        of_order.any(|((_, handled), count)| *count > 0 && stage.is_before(*handled))
    }

    fn claim(&mut self, now: Timestamp, request: &ClaimRequest) -> Claims {
        let (candidates, has_suspect) = self.queue.candidates(now, request);
        let limit = if request.suspect { 1 } else { usize::MAX };
        let chosen = request.choose(now, candidates).into_iter().take(limit);
        let until = now.after(request.lease);
        let mut claimed: Vec<_> = chosen.filter_map(|id| self.lease(now, id, until)).collect();
        let mut room = request.room_behind(claimed.len());
        for head in &mut claimed {
            let behind = self.queue.behind(head.lease.id, now, room);
            head.behind = behind.into_iter().filter_map(|id| self.lease_behind(now, id, until)).collect();
            room -= head.behind.len();
        }
        Claims::new(claimed, self.queue.next_due(now)).with_suspect(has_suspect)
    }

    fn lease(&mut self, now: Timestamp, id: DeliveryId, until: Timestamp) -> Option<ClaimedDelivery> {
        if self.by_id.get(&id).is_some_and(|row| row.record.state == State::Leased) {
            self.add(id, HistoryEntry::new(HistoryKind::LeaseLost, now));
        }
        let stale = self.by_id.get(&id).is_some_and(|row| self.is_stale(row));
        let row = self.by_id.get_mut(&id)?;
        let lost_claims = self.queue.lease(id, until);
        (row.record.state, row.record.due_at) = (State::Leased, Some(until));
        row.fence += 1;
        Some(ClaimedDelivery {
            lease: Lease::new(id, row.fence),
            attempt: row.record.attempts + 1,
            lost_claims,
            stage: row.record.stage,
            stale,
            duplicates: row.record.duplicates,
            endpoint: row.record.endpoint.clone(),
            provider: row.record.provider.clone(),
            key: row.record.key.clone(),
            fingerprint: row.record.fingerprint,
            received_at: row.record.received_at,
            body: row.record.body.clone().unwrap_or_default(),
            behind: Vec::new(),
        })
    }

    fn lease_behind(&mut self, now: Timestamp, id: DeliveryId, until: Timestamp) -> Option<ClaimedDelivery> {
        self.queue.lease_behind(id);
        self.lease(now, id, until)
    }

    fn holds(&self, lease: Lease) -> bool {
        self.by_id.get(&lease.id).is_some_and(|row| row.fence == lease.fence && row.record.state == State::Leased)
    }

    /// Ends a lease. Returns whether it was held.
    fn settle(&mut self, now: Timestamp, settlement: Settlement) -> bool {
        if !self.holds(settlement.lease) {
            return false;
        }
        let id = settlement.lease.id;
        if let Some(entry) = HistoryEntry::of(&settlement.outcome, now) {
            self.add(id, entry);
        }
        let cause = settlement.outcome.cause();
        let (row, note, attempts) = match settlement.outcome {
            Settled::Handled => (self.end(id, State::Handled), None, 1),
            Settled::Retry { at, error } => (self.wait(id, State::Retrying, Some(at)), Some(error), 1),
            Settled::Parked { until, reason } => (self.wait(id, State::Parked, Some(until)), Some(reason), 0),
            Settled::Dead { error, .. } => (self.end(id, State::Dead), Some(error), 1),
            Settled::Released => {
                let again_at = self.queue.again_at(id);
                let note = self.by_id.get(&id).and_then(|row| row.record.note.clone());
                (self.wait(id, State::Pending, again_at), note, 0)
            }
        };
        let Some(row) = row else { return false };
        row.record.attempts += attempts;
        row.record.settled_at = matches!(row.record.state, State::Handled | State::Dead).then_some(now);
        (row.record.cause, row.record.note) = (cause, note);
        true
    }

    fn reread(&mut self, id: DeliveryId, reread: NewDelivery) -> Option<Replayed> {
        let key = reread.key.clone();
        let holder = key.as_ref().and_then(|key| self.take_holder(key, reread.received_at)).filter(|first| *first != id);
        let Some(first) = holder else {
            self.free_key(id);
            let row = self.by_id.get_mut(&id)?;
            (row.record.event_type, row.record.stage) = (reread.event_type, reread.stage);
            row.record.fingerprint = reread.fingerprint;
            (row.record.key, row.record.key_expires_at) = (key.clone(), reread.key_expires_at);
            self.count_handled(id, true);
            if let Some(key) = key {
                self.by_key.insert(key, id);
            }
            return None;
        };
        self.remove(id);
        if self.repeats(first, &reread) {
            self.count_duplicate(reread.received_at, first);
            return Some(Replayed::Duplicate { first });
        }
        self.keep_conflict(first, reread);
        Some(Replayed::Conflict { first })
    }
}

/// Leaves out the deliveries and their orders, which may name customers.
impl fmt::Debug for MemoryInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryInbox").field("deliveries", &self.rows().by_id.len()).finish_non_exhaustive()
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
        Ok(self.rows().claim(now, &request))
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        let mut rows = self.rows();
        let (held, lost): (Vec<_>, Vec<_>) = leases.into_iter().partition(|lease| rows.holds(*lease));
        for lease in held {
            rows.queue.renew(lease.id, until);
            if let Some(row) = rows.by_id.get_mut(&lease.id) {
                row.record.due_at = Some(until);
            }
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

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        Ok(self.rows().page(&filter))
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        Ok(self.rows().by_id.get(&id).map(|row| row.record.clone()))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let rows = self.rows();
        let count = |state| rows.by_id.values().filter(|row| row.record.state == state).count() as u64;
        Ok(State::ALL.into_iter().map(|state| (state, count(state))).collect())
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        let rows = self.rows();
        let is_open = |record: &Record| record.state.waits() || (record.state.can_be_resolved() && record.resolved_at.is_none());
        Ok(rows.by_id.values().filter(|row| is_open(&row.record)).map(|row| (row.record.state, 1)).collect())
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let Some(row) = rows.by_id.get_mut(&id) else { return Err(StoreError::new(StoreErrorKind::NotFound, "resolve")) };
        if let Some(why) = why_not_resolved(row.record.state) {
            return Err(StoreError::new(StoreErrorKind::Refused, "resolve").because(why));
        }
        (row.record.resolved_at, row.record.resolution) = (row.record.settled_at.max(Some(now)), Some(note.to_owned()));
        rows.add(id, HistoryEntry::new(HistoryKind::Resolved, now).text(note));
        Ok(())
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let Some(row) = rows.by_id.get_mut(&id) else { return Err(StoreError::new(StoreErrorKind::NotFound, "reopen")) };
        let was_resolved = row.record.resolved_at.is_some();
        (row.record.resolved_at, row.record.resolution) = (None, None);
        if was_resolved {
            rows.add(id, HistoryEntry::new(HistoryKind::Reopened, now));
        }
        Ok(())
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(self.rows().by_id.get(&id).map(|row| row.history.clone()).unwrap_or_default())
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        let mut rows = self.rows();
        if !rows.by_id.contains_key(&id) {
            return Err(StoreError::new(StoreErrorKind::NotFound, "reveal"));
        }
        rows.add(id, HistoryEntry::new(HistoryKind::Revealed, now).text(operator));
        Ok(())
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        let deliveries = deliveries.into_iter().map(restorable).collect::<Result<Vec<_>, _>>()?;
        let mut rows = self.rows();
        let restored = deliveries.into_iter().map(|record| rows.restore(record)).collect();
        drop(rows);
        self.work.notify_one();
        Ok(restored)
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        let Requeue { at, id, seen, reread } = request;
        let mut rows = self.rows();
        let refused = |why| Err(StoreError::new(StoreErrorKind::Refused, "replay").because(why));
        match rows.by_id.get(&id) {
            None => return Err(StoreError::new(StoreErrorKind::NotFound, "replay")),
            Some(row) if row.record.state == State::Leased => return refused("a worker holds it"),
            Some(row) if row.record.resolved_at.is_some() => return refused("an operator has resolved it; reopen it first"),
            Some(row) if row.record.body.is_none() => return refused("its body was removed"),
            Some(row) if row.record.state != seen => return refused("its state has changed meanwhile"),
            Some(_) => {}
        }
        let elsewhere = reread.and_then(|reread| rows.reread(id, reread));
        if elsewhere.is_none() {
            rows.requeue(id);
            rows.add(id, HistoryEntry::new(HistoryKind::Replayed, at));
        }
        drop(rows);
        self.work.notify_one();
        Ok(elsewhere.unwrap_or(Replayed::Due))
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        let mut rows = self.rows();
        let old: Vec<_> = rows.by_id.values().filter(|row| row.is_old(now, retention)).map(|row| row.record.id).collect();
        for id in &old {
            rows.take_expired_key(*id, now);
            rows.forget(*id);
        }
        Ok(old.len() as u64)
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let Some(row) = rows.by_id.get(&id) else { return Err(StoreError::new(StoreErrorKind::NotFound, "forget")) };
        if let Some(why) = why_not_forgotten(row.record.state) {
            return Err(StoreError::new(StoreErrorKind::Refused, "forget").because(why));
        }
        rows.forget(id);
        Ok(())
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        Ok(self.rows().tasks.get(task).cloned().unwrap_or_else(|| TaskState::new(task)))
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let stored = rows.tasks.get(&state.task).map_or(0, |stored| stored.version);
        if stored == state.version {
            let next = state.version + 1;
            rows.tasks.insert(state.task.clone(), TaskState { version: next, ..state.clone() });
        }
        Ok(stored == state.version)
    }
}

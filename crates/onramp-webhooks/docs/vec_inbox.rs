use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use onramp_webhooks::async_trait;
use onramp_webhooks::store::*;
use tokio::sync::Notify;

/// An inbox in a vector, in the order of arrival.
#[derive(Debug, Default)]
pub struct VecInbox {
    rows: Mutex<Rows>,
    work: Notify,
}

#[derive(Debug, Default)]
struct Rows {
    last_id: i64,
    all: Vec<Row>,
    tasks: BTreeMap<String, TaskState>,
    bound: QuarantineBound,
}

#[derive(Debug)]
struct Row {
    record: Record,
    noise: bool,
    fence: i64,
    /// The time at which it is due again; `None` if it was never settled.
    again_at: Option<Timestamp>,
    lost_claims: u32,
    history: Vec<HistoryEntry>,
}

impl VecInbox {
    pub fn new(bound: QuarantineBound) -> Self {
        Self { rows: Mutex::new(Rows { bound, ..Rows::default() }), work: Notify::new() }
    }
}

impl Row {
    fn is_leased(&self, now: Timestamp) -> bool {
        self.record.state == State::Leased && self.record.due_at.is_some_and(|until| now < until)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.again_at.is_none_or(|again_at| again_at <= now) && !self.is_leased(now)
    }

    fn is_suspect(&self) -> bool {
        self.record.state == State::Leased && self.lost_claims + 1 >= SUSPECT_AFTER
    }

    /// The time since which it is due, or from which it will be.
    fn since(&self) -> Timestamp {
        self.again_at.unwrap_or(self.record.received_at)
    }

    /// The order that the event belongs to: events with a stage and the same subject.
    fn order(&self) -> Option<&str> {
        self.record.stage.and(self.record.key.as_ref()).map(DedupKey::subject)
    }

    fn set(&mut self, state: State, due_at: Option<Timestamp>) {
        (self.record.state, self.record.due_at) = (state, due_at);
    }

    fn requeue(&mut self) {
        self.set(State::Pending, None);
        self.again_at = None;
        (self.record.attempts, self.record.settled_at, self.record.cause) = (0, None, None);
        (self.record.resolved_at, self.record.resolution) = (None, None);
    }

    /// Counts a duplicate. Returns whether the delivery is due again because of it.
    fn repeated(&mut self, now: Timestamp) -> bool {
        self.record.duplicates += 1;
        let is_used_up = self.record.cause == Some(DeadCause::AttemptsUsedUp) && self.record.body.is_some();
        let requeued = self.record.state == State::Retrying || (is_used_up && self.record.resolved_at.is_none());
        HistoryEntry::new(HistoryKind::Duplicate, now).add_to(&mut self.history);
        if requeued {
            self.requeue();
            HistoryEntry::new(HistoryKind::Requeued, now).add_to(&mut self.history);
        }
        requeued
    }

    /// Returns whether the row is to be pruned. A key that can expire is kept, together with the body, until it has expired.
    fn is_old(&self, now: Timestamp, retention: Retention) -> bool {
        let since = self.record.settled_at.unwrap_or(self.record.received_at);
        let is_old = retention.of(self.record.state).is_some_and(|kept| since < now.before(kept));
        is_old && self.record.body.is_some() && self.record.key_expires_at.is_none_or(|expires_at| expires_at <= now)
    }

    /// Removes the body and the notes. Returns whether the row is kept for its key.
    fn forget(&mut self) -> bool {
        (self.record.body, self.record.note, self.record.resolution) = (None, None, None);
        self.history.iter_mut().for_each(|entry| entry.text = None);
        self.record.key.is_some() && self.record.state != State::Quarantined
    }

    fn claimed(&mut self, now: Timestamp, until: Timestamp, stale: bool) -> ClaimedDelivery {
        if self.record.state == State::Leased {
            HistoryEntry::new(HistoryKind::LeaseLost, now).add_to(&mut self.history);
        }
        self.lost_claims = if self.record.state == State::Leased { self.lost_claims + 1 } else { 0 };
        self.set(State::Leased, Some(until));
        self.fence += 1;
        let record = self.record.clone();
        ClaimedDelivery {
            lease: Lease::new(record.id, self.fence),
            attempt: record.attempts + 1,
            lost_claims: self.lost_claims,
            stage: record.stage,
            stale,
            duplicates: record.duplicates,
            endpoint: record.endpoint,
            provider: record.provider,
            key: record.key,
            fingerprint: record.fingerprint,
            received_at: record.received_at,
            body: record.body.unwrap_or_default(),
            behind: Vec::new(),
        }
    }
}

impl Rows {
    fn find(&mut self, id: DeliveryId) -> Option<&mut Row> {
        self.all.iter_mut().find(|row| row.record.id == id)
    }

    /// The lease of a delivery ends when it is settled, or when another worker claims it.
    fn leased(&mut self, lease: Lease) -> Option<&mut Row> {
        self.find(lease.id).filter(|row| row.fence == lease.fence && row.record.state == State::Leased)
    }

    /// The delivery that holds a key. A delivery whose key has expired gives it up.
    fn holder(&mut self, key: Option<&DedupKey>, now: Timestamp) -> Option<&mut Row> {
        let row = self.all.iter_mut().find(|row| key.is_some() && row.record.key.as_ref() == key)?;
        if row.record.key_expires_at.is_some_and(|expires_at| expires_at <= now) {
            row.record.key = None;
            return None;
        }
        Some(row)
    }

    fn insert(&mut self, new: NewDelivery, state: State, note: Option<String>) -> DeliveryId {
        self.last_id += 1;
        let id = DeliveryId::from_i64(self.last_id);
        let record = Record {
            id,
            endpoint: new.endpoint,
            provider: new.provider,
            event_type: new.event_type,
            key: new.key,
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
        let noise = new.quarantine.is_some_and(|quarantine| quarantine.noise);
        self.all.push(Row { record, noise, fence: 0, again_at: None, lost_claims: 0, history: Vec::new() });
        id
    }

    fn restore(&mut self, record: Record) -> Restored {
        let holder = self.all.iter().find(|row| record.key.is_some() && row.record.key == record.key);
        if let Some(Row { record: holder, .. }) = holder {
            return Restored::beside(&record, holder.id, &holder.fingerprint);
        }
        self.last_id += 1;
        let (id, again_at) = (DeliveryId::from_i64(self.last_id), record.due_at);
        self.all.push(Row {
            record: Record { id, ..record },
            noise: false,
            fence: 0,
            again_at,
            lost_claims: 0,
            history: Vec::new(),
        });
        Restored::New(id)
    }

    /// Keeps a conflict under a key of its own, so that its copies are counted.
    fn keep_conflict(&mut self, first: DeliveryId, mut new: NewDelivery) -> DeliveryId {
        new.key = new.key.map(|key| key.conflicting(&new.fingerprint));
        if let Some(kept) = self.all.iter_mut().find(|row| row.record.key == new.key) {
            kept.repeated(new.received_at);
            return kept.record.id;
        }
        self.insert(new, State::Conflict, Some(conflict_note(first)))
    }

    fn record(&mut self, new: NewDelivery) -> Recorded {
        if let Some(holder) = self.holder(new.key.as_ref(), new.received_at) {
            let first = holder.record.id;
            if new.repeats(&holder.record.fingerprint, holder.record.received_at) {
                return Recorded::Duplicate { first, requeued: holder.repeated(new.received_at) };
            }
            return Recorded::Conflict { first, kept: self.keep_conflict(first, new) };
        }
        let (state, note) = match &new.quarantine {
            Some(quarantine) => (State::Quarantined, Some(quarantine.reason.clone())),
            None => (State::Pending, None),
        };
        let id = self.insert(new, state, note);
        self.evict_noise();
        Recorded::New(id)
    }

    fn evict_noise(&mut self) {
        let (mut deliveries, mut bytes) = (0, 0);
        self.all.reverse();
        self.all.retain(|row| {
            if !row.noise || row.record.state != State::Quarantined {
                return true;
            }
            deliveries += 1;
            bytes += row.record.body.as_ref().map_or(0, |body| body.len() as u64);
            deliveries <= self.bound.deliveries && bytes <= self.bound.bytes
        });
        self.all.reverse();
    }

    /// The delivery of each order that can be claimed next: the leased one; else the oldest untried one, or the one that is due again
    /// first, whichever has been due longer.
    fn heads(&self) -> Vec<&Row> {
        let mut heads = Vec::new();
        let mut orders: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in self.all.iter().filter(|row| row.record.state.waits()) {
            match row.order() {
                Some(order) => orders.entry(order).or_default().push(row),
                None => heads.push(row),
            }
        }
        heads.extend(orders.values().filter_map(|order| {
            let leased = order.iter().find(|row| row.record.state == State::Leased);
            let untried = order.iter().find(|row| row.again_at.is_none());
            let again = order.iter().filter(|row| row.again_at.is_some()).min_by_key(|row| row.again_at);
            let first = untried.into_iter().chain(again).min_by_key(|row| row.since());
            leased.or(first).copied()
        }));
        heads.sort_by_key(|row| row.record.id);
        heads
    }

    /// Returns the due deliveries of each endpoint. A real store reads them from an index, at most `limit` of each list.
    fn candidates(&self, now: Timestamp, request: &ClaimRequest) -> Vec<Candidates> {
        let mut endpoints: BTreeMap<Arc<str>, Candidates> = BTreeMap::new();
        for row in self.heads() {
            let endpoint = &row.record.endpoint;
            if !row.is_due(now) || row.is_suspect() != request.suspect || request.except.contains(endpoint) {
                continue;
            }
            let candidates = endpoints.entry(endpoint.clone()).or_default();
            candidates.endpoint = endpoint.clone();
            let candidate = Candidate { id: row.record.id, since: row.since() };
            if row.again_at.is_some() {
                candidates.again.push(candidate);
            } else {
                candidates.untried.push(candidate);
                candidates.newest.insert(0, candidate);
            }
        }
        endpoints.values_mut().for_each(|candidates| candidates.again.sort_by_key(|candidate| candidate.since));
        endpoints.into_values().collect()
    }

    fn claim(&mut self, now: Timestamp, request: &ClaimRequest) -> Claims {
        let is_claimable = |row: &Row| row.is_due(now) && !request.except.contains(&row.record.endpoint);
        let has_suspect = self.heads().iter().any(|row| row.is_suspect() && is_claimable(row));
        let limit = if request.suspect { 1 } else { usize::MAX };
        let chosen: Vec<_> = request.choose(now, self.candidates(now, request)).into_iter().take(limit).collect();
        let next_due = self.heads().iter().filter_map(|row| row.again_at).filter(|again_at| *again_at > now).min();
        let mut claimed = Vec::new();
        for id in chosen {
            let Some(at) = self.all.iter().position(|row| row.record.id == id) else { continue };
            let row = &self.all[at];
            let mut order = self.all.iter().filter(|other| other.order().is_some() && other.order() == row.order());
            let is_later =
                |other: &Row| row.record.stage.zip(other.record.stage).is_some_and(|(this, other)| this.is_before(other));
            let stale = order.any(|other| other.record.state == State::Handled && is_later(other));
            claimed.push(self.all[at].claimed(now, now.after(request.lease), stale));
        }
        Claims::new(claimed, next_due).with_suspect(has_suspect)
    }

    /// Gives a quarantined delivery the key that this version reads from it.
    fn reread(&mut self, id: DeliveryId, new: NewDelivery) -> Replayed {
        let holder = self.holder(new.key.as_ref(), new.received_at).filter(|holder| holder.record.id != id);
        if let Some(holder) = holder {
            let first = holder.record.id;
            let is_duplicate = new.repeats(&holder.record.fingerprint, holder.record.received_at);
            if is_duplicate {
                holder.repeated(new.received_at);
            }
            self.all.retain(|row| row.record.id != id);
            if is_duplicate {
                return Replayed::Duplicate { first };
            }
            self.keep_conflict(first, new);
            return Replayed::Conflict { first };
        }
        if let Some(row) = self.find(id) {
            (row.record.event_type, row.record.stage) = (new.event_type, new.stage);
            (row.record.key, row.record.key_expires_at) = (new.key, new.key_expires_at);
            row.record.fingerprint = new.fingerprint;
        }
        Replayed::Due
    }
}

#[async_trait]
impl Inbox for VecInbox {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let recorded = self.rows.lock().unwrap().record(delivery);
        self.work.notify_one();
        Ok(recorded)
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        Ok(rows.claim(now, &request))
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let mut renew = |lease: &Lease| rows.leased(*lease).map(|row| row.set(State::Leased, Some(until)));
        Ok(leases.into_iter().filter(|lease| renew(lease).is_none()).collect())
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let mut lost = Vec::new();
        for Settlement { lease, outcome, .. } in settlements {
            let Some(row) = rows.leased(lease) else {
                lost.push(lease);
                continue;
            };
            row.record.cause = outcome.cause();
            HistoryEntry::of(&outcome, now).into_iter().for_each(|entry| entry.add_to(&mut row.history));
            let (state, due_at, note, counts) = match outcome {
                Settled::Handled => (State::Handled, None, None, true),
                Settled::Retry { at, error } => (State::Retrying, Some(at), Some(error), true),
                Settled::Parked { until, reason } => (State::Parked, Some(until), Some(reason), false),
                Settled::Dead { error, .. } => (State::Dead, None, Some(error), true),
                // Released. An outcome that this version does not know is tried again, too.
                _ => (State::Pending, None, row.record.note.take(), false),
            };
            row.set(state, due_at);
            if due_at.is_some() {
                row.again_at = due_at;
            }
            row.record.note = note;
            row.record.attempts += u32::from(counts);
            row.record.settled_at = matches!(state, State::Handled | State::Dead).then_some(now);
        }
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
        let rows = self.rows.lock().unwrap();
        let (mut records, mut bytes, mut end) = (Vec::new(), 0, None);
        let mut found: Vec<_> = rows.all.iter().map(|row| &row.record).filter(|record| filter.is_in_range(record.id)).collect();
        if !filter.oldest_first {
            found.reverse();
        }
        for (nth, record) in found.iter().enumerate() {
            if records.len() == filter.page_size() || nth == filter.most_searched() || filter.is_full_of(bytes) {
                break;
            }
            if filter.accepts(record) {
                let body = record.body.clone().filter(|_| filter.bodies);
                bytes += body.as_ref().map_or(0, |body| body.len());
                records.push(Record { body, ..(*record).clone() });
            }
            end = (nth + 1 < found.len()).then_some((record.id, record.received_at));
        }
        Ok(Page::new(&filter, records, end))
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        Ok(self.rows.lock().unwrap().find(id).map(|row| row.record.clone()))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let rows = self.rows.lock().unwrap();
        let count = |state| rows.all.iter().filter(|row| row.record.state == state).count() as u64;
        Ok(State::ALL.into_iter().map(|state| (state, count(state))).collect())
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        let rows = self.rows.lock().unwrap();
        let is_open = |record: &&Record| record.state.waits() || (record.state.can_be_resolved() && record.resolved_at.is_none());
        Ok(rows.all.iter().map(|row| &row.record).filter(is_open).map(|record| (record.state, 1)).collect())
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.find(id) else { return Err(StoreError::new(StoreErrorKind::NotFound, "resolve")) };
        if let Some(why) = why_not_resolved(row.record.state) {
            return Err(StoreError::new(StoreErrorKind::Refused, "resolve").because(why));
        }
        (row.record.resolved_at, row.record.resolution) = (row.record.settled_at.max(Some(now)), Some(note.to_owned()));
        HistoryEntry::new(HistoryKind::Resolved, now).text(note).add_to(&mut row.history);
        Ok(())
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.find(id) else { return Err(StoreError::new(StoreErrorKind::NotFound, "reopen")) };
        if row.record.resolved_at.take().is_some() {
            row.record.resolution = None;
            HistoryEntry::new(HistoryKind::Reopened, now).add_to(&mut row.history);
        }
        Ok(())
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(self.rows.lock().unwrap().find(id).map(|row| row.history.clone()).unwrap_or_default())
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.find(id) else { return Err(StoreError::new(StoreErrorKind::NotFound, "reveal")) };
        HistoryEntry::new(HistoryKind::Revealed, now).text(operator).add_to(&mut row.history);
        Ok(())
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        let deliveries = deliveries.into_iter().map(restorable).collect::<Result<Vec<_>, _>>()?;
        let mut rows = self.rows.lock().unwrap();
        let restored = deliveries.into_iter().map(|record| rows.restore(record)).collect();
        self.work.notify_one();
        Ok(restored)
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let Requeue { at, id, seen, reread, .. } = request;
        let refused = |why| Err(StoreError::new(StoreErrorKind::Refused, "replay").because(why));
        match rows.find(id) {
            None => return Err(StoreError::new(StoreErrorKind::NotFound, "replay")),
            Some(row) if row.record.state == State::Leased => return refused("a worker holds it"),
            Some(row) if row.record.resolved_at.is_some() => return refused("an operator has resolved it; reopen it first"),
            Some(row) if row.record.body.is_none() => return refused("its body was removed"),
            Some(row) if row.record.state != seen => return refused("its state has changed meanwhile"),
            Some(_) => {}
        }
        let replayed = reread.map_or(Replayed::Due, |new| rows.reread(id, new));
        if replayed == Replayed::Due {
            rows.find(id).into_iter().for_each(|row| {
                row.requeue();
                HistoryEntry::new(HistoryKind::Replayed, at).add_to(&mut row.history);
            });
        }
        self.work.notify_one();
        Ok(replayed)
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        let (mut rows, mut pruned) = (self.rows.lock().unwrap(), 0);
        rows.all.retain_mut(|row| {
            if !row.is_old(now, retention) {
                return true;
            }
            pruned += 1;
            row.forget() && row.record.key_expires_at.is_none()
        });
        Ok(pruned)
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.find(id) else { return Err(StoreError::new(StoreErrorKind::NotFound, "forget")) };
        if let Some(why) = why_not_forgotten(row.record.state) {
            return Err(StoreError::new(StoreErrorKind::Refused, "forget").because(why));
        }
        rows.all.retain_mut(|row| row.record.id != id || row.forget());
        Ok(())
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        Ok(self.rows.lock().unwrap().tasks.get(task).cloned().unwrap_or_else(|| TaskState::new(task)))
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let stored = rows.tasks.get(&state.task).map_or(0, |stored| stored.version);
        if stored == state.version {
            let next = state.version + 1;
            rows.tasks.insert(state.task.clone(), state.clone().at(next, state.text.clone()));
        }
        Ok(stored == state.version)
    }
}

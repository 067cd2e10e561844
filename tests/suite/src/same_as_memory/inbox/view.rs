//! The calls of a sequence on one inbox, and their results.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimedDelivery, DeliveryId, Filter, Inbox, Lease, Record, Requeue, Retention, Settlement, State, TaskState, list_all,
};

use super::START;
use super::step::{Claim, Event, Outcome, Query, Step};

/// The results of the calls of one inbox so far.
pub(super) struct View<'i> {
    inbox: &'i dyn Inbox,
    now: Timestamp,
    /// The latest time so far. Pruning requires a clock that does not go backwards.
    latest: Timestamp,
    leases: Vec<Lease>,
    /// The ids in the order in which they appeared. Stores may skip numbers.
    ids: Vec<i64>,
}

impl<'i> View<'i> {
    pub(super) fn new(inbox: &'i dyn Inbox) -> Self {
        Self { inbox, now: START, latest: START, leases: Vec::new(), ids: Vec::new() }
    }

    /// Makes one call, and describes all its visible effects.
    pub(super) async fn step(&mut self, step: &Step) -> String {
        let shown = self.make(step).await;
        self.meet().await;
        self.by_rank(&shown)
    }

    async fn meet(&mut self) {
        let page = self.inbox.list(Filter::all().limit(1_000)).await.unwrap();
        let mut new: Vec<_> = page.records.iter().map(|record| record.id.as_i64()).collect();
        new.retain(|id| !self.ids.contains(id));
        new.sort_unstable();
        self.ids.extend(new);
    }

    fn id(&self, rank: u8) -> DeliveryId {
        DeliveryId::from_i64(self.ids.get(usize::from(rank)).copied().unwrap_or(i64::MAX - 1))
    }

    /// Replaces ids by the order in which they appeared.
    fn by_rank(&self, shown: &str) -> String {
        let rank = |id: i64| self.ids.iter().position(|known| *known == id);
        renumbered(&renumbered(shown, "DeliveryId(", rank), "delivery ", rank)
    }

    fn pass(&mut self, seconds: i64) {
        self.now = Timestamp::from_millis(self.now.as_millis() + seconds * 1_000);
        self.latest = self.latest.max(self.now);
    }

    async fn make(&mut self, step: &Step) -> String {
        match step {
            Step::Record(event) => format!("{:?}", self.inbox.record(event.delivery(self.now)).await),
            Step::Claim(claim) => {
                let (shown, leases) = self.claim(claim).await;
                self.leases.extend(leases);
                shown
            }
            Step::Crash(times, claim) => {
                let mut all = String::new();
                for _ in 0..*times {
                    all += &self.claim(claim).await.0;
                    self.pass(i64::from(claim.lease) + 1);
                }
                all
            }
            Step::Settle(settlements) => self.settle(settlements).await,
            Step::Renew(leases, seconds) => {
                let leases = leases.iter().filter_map(|lease| self.lease(*lease)).collect();
                format!("{:?}", self.inbox.renew(leases, self.now.after(Duration::from_secs(*seconds))).await)
            }
            Step::Prune(seconds) => {
                let [handled, dead, conflict, quarantined] = seconds.map(|seconds| Duration::from_secs(seconds.into()));
                let retention = Retention::default().handled(handled).dead(dead).conflict(conflict).quarantined(quarantined);
                format!("{:?}", self.inbox.prune(self.latest, retention).await)
            }
            Step::Restore(deliveries) => {
                let records = deliveries.iter().map(|(event, state, seconds)| event.record(self.now, *state, *seconds));
                format!("{:?}", self.inbox.restore(records.collect()).await)
            }
            Step::StoreTask(task, ahead, text) => self.store_task(*task, *ahead, *text).await,
            Step::List(query) => self.list(query).await,
            Step::Pass(seconds) => {
                self.pass((*seconds).into());
                String::new()
            }
            Step::Requeue(id, reread) => self.requeue(self.id(*id), reread.as_ref()).await,
            Step::Forget(id) => done(self.inbox.forget(self.id(*id)).await),
            Step::Resolve(id, note) => done(self.inbox.resolve(self.now, self.id(*id), &format!("note {note}")).await),
            Step::Reopen(id) => done(self.inbox.reopen(self.now, self.id(*id)).await),
            Step::Reveal(id, operator) => {
                done(self.inbox.revealed(self.now, self.id(*id), &format!("operator {operator}")).await)
            }
        }
    }

    async fn claim(&self, claim: &Claim) -> (String, Vec<Lease>) {
        let claims = self.inbox.claim(self.now, claim.request()).await.unwrap();
        let all = || claims.deliveries.iter().flat_map(|claimed| [claimed].into_iter().chain(&claimed.behind));
        let details = all().map(|claimed| {
            let ClaimedDelivery { key, stage, body, lost_claims, behind, .. } = claimed;
            format!("{claimed:?} {key:?} {stage:?} {body:?} {lost_claims} {}", behind.len())
        });
        // A store need not see a suspect while others fill the claim.
        let looks_at_all = claim.limit > 0 && (claim.suspect || claims.deliveries.len() < usize::from(claim.limit));
        let has_suspect = looks_at_all.then_some(claims.has_suspect);
        let shown = format!("{:?} {has_suspect:?} {:?}", claims.next_due, details.collect::<Vec<_>>());
        (shown, all().map(|claimed| claimed.lease).collect())
    }

    async fn settle(&self, settlements: &[(usize, Outcome)]) -> String {
        let settlement =
            |(lease, outcome): &(usize, Outcome)| Some(Settlement::new(self.lease(*lease)?, outcome.settled(self.now)));
        format!("{:?}", self.inbox.settle(self.now, settlements.iter().filter_map(settlement).collect()).await)
    }

    async fn requeue(&self, id: DeliveryId, reread: Option<&Event>) -> String {
        let reread = reread.map(|event| Event { quarantine: None, ..event.clone() }.delivery(self.now));
        let seen = self.inbox.show(id).await.unwrap().map_or(State::Dead, |record| record.state);
        done(self.inbox.requeue(Requeue::new(self.now, id, seen).reread(reread)).await)
    }

    async fn store_task(&self, task: u8, ahead: i8, text: u8) -> String {
        let before = self.inbox.task_state(&format!("task {task}")).await.unwrap();
        let version = before.version.saturating_add_signed(ahead.into());
        let stored = self.inbox.set_task_state(TaskState::new(&before.task).at(version, text.to_string())).await;
        format!("{before:?} {stored:?} {:?}", self.inbox.task_state(&before.task).await)
    }

    async fn list(&self, query: &Query) -> String {
        let mut filter = query.filter();
        filter.before = query.before.map(|rank| self.id(rank));
        filter.after = query.after.map(|rank| self.id(rank));
        list(self.inbox, filter).await
    }

    /// Returns one of the previous leases, counted from the last.
    fn lease(&self, back: usize) -> Option<Lease> {
        self.leases.iter().rev().nth(back).copied()
    }

    /// Describes the whole inbox.
    pub(super) async fn everything(&self) -> String {
        let inbox = self.inbox;
        let counts = (inbox.counts().await.unwrap(), inbox.open_counts().await.unwrap());
        let mut everything = format!("{counts:?}\n{}", list(inbox, Filter::all().limit(1_000)).await);
        for record in inbox.list(Filter::all().limit(1_000)).await.unwrap().records {
            let body = inbox.show(record.id).await.unwrap().unwrap().body;
            let history = inbox.history(record.id).await.unwrap();
            let texts: Vec<_> = history.iter().map(|entry| entry.text.clone()).collect();
            everything.push_str(&format!("\n{:?} {body:?} {history:?} {texts:?}", record.id));
        }
        self.by_rank(&everything)
    }
}

/// Replaces the numbers behind a prefix by their ranks.
fn renumbered(shown: &str, prefix: &str, rank: impl Fn(i64) -> Option<usize>) -> String {
    let mut parts = shown.split(prefix);
    let mut renumbered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(part.bytes().take_while(u8::is_ascii_digit).count());
        match number.parse().ok().and_then(&rank) {
            Some(rank) => renumbered += &format!("Nth[{rank}]{rest}"),
            None => renumbered += &format!("{prefix}{part}"),
        }
    }
    renumbered
}

fn done<T: std::fmt::Debug>(result: Result<T, onramp_webhooks::StoreError>) -> String {
    format!("{:?}", result.map_err(|error| error.to_string()))
}

async fn list(inbox: &dyn Inbox, filter: Filter) -> String {
    let shown = |record: &Record| {
        let key = record.key.as_ref().map(ToString::to_string);
        format!("{record:?} {key:?} {:?} {:?} {:?} {:?}", record.fingerprint, record.note, record.resolution, record.body)
    };
    if filter.limit == Some(0) {
        return format!("{:?}", inbox.list(filter).await.unwrap().records);
    }
    list_all(inbox, filter).await.unwrap().iter().map(shown).collect::<Vec<_>>().join("\n")
}

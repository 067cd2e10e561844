//! Sequences of calls of an inbox.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::Money;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{
    ClaimRequest, ClaimedDelivery, DeadCause, DeliveryId, Filter, Inbox, Lease, MemoryInbox, NewDelivery, Quarantine,
    QuarantineBound, Record, Requeue, Retention, Settled, Settlement, State, list_all,
};
use onramp_webhooks_testkit::inbox::Fixture;
use proptest::prelude::*;

use super::sequences;

/// The time of the first call.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// One call. All numbers are small, so that calls often affect the same rows.
#[derive(Clone, Debug)]
enum Step {
    Record(Event),
    Claim {
        limit: usize,
        lease: u64,
        behind: bool,
    },
    Settle(Vec<(usize, Outcome)>),
    Renew(Vec<usize>, u64),
    Requeue(u8, Option<Event>),
    Prune([u8; 4]),
    Forget(u8),
    Resolve(u8, u8),
    Reopen(u8),
    /// Restores deliveries in states, with the seconds after which they are due, or settled.
    Restore(Vec<(Event, u8, u8)>),
    List(Query),
    /// Moves the clock by a number of seconds, sometimes backwards.
    Pass(i16),
}

#[derive(Clone, Debug)]
struct Event {
    order: u8,
    kind: u8,
    body: u8,
    keyed: bool,
    stage: Option<u8>,
    expires: Option<u8>,
    within: Option<u8>,
    quarantine: Option<bool>,
}

#[derive(Clone, Debug)]
enum Outcome {
    Handled,
    Retry(u8),
    Parked(u8),
    Dead(DeadCause),
    Released,
}

#[derive(Clone, Debug)]
struct Query {
    states: Vec<u8>,
    about: Option<u8>,
    order: Option<u8>,
    kind: Option<u8>,
    cause: Option<DeadCause>,
    error: Option<u8>,
    arrival: Option<(u8, u8)>,
    resolved: Option<bool>,
    before: Option<u8>,
    after: Option<u8>,
    oldest_first: bool,
    limit: Option<u8>,
    search_limit: Option<u8>,
}

fn event() -> impl Strategy<Value = Event> {
    let stage = prop::option::weighted(0.7, 0..4_u8);
    let expires = prop::option::weighted(0.3, 0..60_u8);
    let within = prop::option::weighted(0.2, 0..60_u8);
    let quarantine = prop::option::weighted(0.2, any::<bool>());
    let identity = (0..4_u8, 0..3_u8, 0..4_u8, prop::bool::weighted(0.9));
    (identity, stage, expires, within, quarantine).prop_map(|((order, kind, body, keyed), stage, expires, within, quarantine)| {
        Event { order, kind, body, keyed, stage, expires, within, quarantine }
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Handled),
        2 => (0..40_u8).prop_map(Outcome::Retry),
        1 => (0..40_u8).prop_map(Outcome::Parked),
        1 => prop::sample::select(DeadCause::ALL.to_vec()).prop_map(Outcome::Dead),
        1 => Just(Outcome::Released),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let option = |most: u8| prop::option::weighted(0.3, 0..most);
    let identity = (prop::collection::vec(0..8_u8, 0..3), option(4), option(4), option(3));
    let cause = prop::option::weighted(0.2, prop::sample::select(DeadCause::ALL.to_vec()));
    let end = (cause, option(40), prop::option::weighted(0.3, (0..60_u8, 0..60_u8)), prop::option::weighted(0.5, any::<bool>()));
    let sequence = (option(20), option(20), any::<bool>(), option(5), option(6));
    (identity, end, sequence).prop_map(
        |(
            (states, about, order, kind),
            (cause, error, arrival, resolved),
            (before, after, oldest_first, limit, search_limit),
        )| Query {
            states,
            about,
            order,
            kind,
            cause,
            error,
            arrival,
            resolved,
            before,
            after,
            oldest_first,
            limit,
            search_limit,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => event().prop_map(Step::Record),
        4 => (0..6_usize, 1..30_u64, any::<bool>()).prop_map(|(limit, lease, behind)| Step::Claim { limit, lease, behind }),
        4 => prop::collection::vec((0..12_usize, outcome()), 0..4).prop_map(Step::Settle),
        1 => (prop::collection::vec(0..12_usize, 0..4), 0..60_u64).prop_map(|(leases, until)| Step::Renew(leases, until)),
        1 => (0..25_u8, prop::option::of(event())).prop_map(|(id, reread)| Step::Requeue(id, reread)),
        1 => prop::array::uniform4(0..60_u8).prop_map(Step::Prune),
        1 => (0..25_u8).prop_map(Step::Forget),
        1 => (0..25_u8, 0..9_u8).prop_map(|(id, note)| Step::Resolve(id, note)),
        1 => (0..25_u8).prop_map(Step::Reopen),
        1 => prop::collection::vec((event(), 0..8_u8, 0..40_u8), 1..4).prop_map(Step::Restore),
        2 => query().prop_map(Step::List),
        3 => prop_oneof![4 => 0..30_i16, 1 => -20..0_i16].prop_map(Step::Pass),
    ]
}

impl Event {
    fn delivery(&self, now: Timestamp) -> NewDelivery {
        let kind = format!("kind-{}", self.kind);
        let body = format!("{kind} of {} says {}", self.order, self.body);
        let mut new = NewDelivery::new("wert", "wert", now, body.into());
        new.key = self.keyed.then(|| DedupKey::from_parts(format!("wert/order/{}", self.order), kind.clone()));
        new.event_type = Some(kind);
        new.stage = self.stage.map(OrderStage::from_u8);
        new.duplicate_within = self.within.map(|seconds| Duration::from_secs(seconds.into()));
        new.key_expires_at = self.expires.map(|seconds| now.after(Duration::from_secs(seconds.into())));
        new.quarantine =
            self.quarantine.map(|noise| if noise { Quarantine::noise("noise") } else { Quarantine::unreadable("unreadable") });
        let money = Money::new((self.body % 2).to_string().parse().unwrap(), "USD".into());
        new.fingerprint = Fingerprint::of(&[self.body]).with_money(&[money]);
        if self.body < 2 {
            new.fingerprint = new.fingerprint.to_synthetic();
        }
        new
    }
}

impl Event {
    /// Returns a delivery of another inbox.
    fn record(&self, now: Timestamp, state: u8, seconds: u8) -> Record {
        let NewDelivery { endpoint, provider, event_type, key, key_expires_at, stage, fingerprint, received_at, body, .. } =
            self.delivery(now);
        let at = Some(now.after(Duration::from_secs(seconds.into())));
        let attempts = u32::from(self.body);
        Record {
            id: DeliveryId::from_i64(0),
            endpoint,
            provider,
            event_type,
            key,
            key_expires_at,
            stage,
            fingerprint,
            state: State::from_u8(state),
            received_at,
            due_at: at,
            settled_at: at,
            cause: DeadCause::from_u8(self.body),
            attempts,
            duplicates: attempts.into(),
            note: Some("restored".into()),
            resolved_at: at.filter(|_| self.kind == 0),
            resolution: Some("by hand".into()),
            body: Some(body).filter(|_| self.kind != 1 || State::from_u8(state).waits()),
        }
    }
}

/// The results of the calls of one inbox so far.
struct View {
    now: Timestamp,
    /// The latest time so far. Pruning requires a clock that does not go backwards.
    latest: Timestamp,
    leases: Vec<Lease>,
    /// The ids in the order in which they appeared. Stores may skip numbers.
    ids: Vec<i64>,
}

impl View {
    async fn step(&mut self, inbox: &dyn Inbox, step: &Step) -> String {
        let shown = self.make(inbox, step).await;
        self.meet(inbox).await;
        self.by_rank(&shown)
    }

    async fn meet(&mut self, inbox: &dyn Inbox) {
        let mut new: Vec<_> =
            inbox.list(Filter::all().limit(1_000)).await.unwrap().records.iter().map(|record| record.id.as_i64()).collect();
        new.retain(|id| !self.ids.contains(id));
        new.sort_unstable();
        self.ids.extend(new);
    }

    fn id(&self, rank: u8) -> DeliveryId {
        DeliveryId::from_i64(self.ids.get(usize::from(rank)).copied().unwrap_or(i64::MAX - 1))
    }

    fn by_rank(&self, shown: &str) -> String {
        let mut shown = shown.to_owned();
        for (rank, id) in self.ids.iter().enumerate() {
            shown = shown.replace(&format!("DeliveryId({id})"), &format!("Nth[{rank}]"));
            shown = shown.replace(&format!("delivery {id}\""), &format!("Nth[{rank}]\""));
        }
        shown
    }

    /// Makes one call, and describes all its visible effects.
    async fn make(&mut self, inbox: &dyn Inbox, step: &Step) -> String {
        match step {
            Step::Record(event) => format!("{:?}", inbox.record(event.delivery(self.now)).await),
            Step::Claim { limit, lease, behind } => {
                let request = ClaimRequest::new(*limit, Duration::from_secs(*lease));
                let request = if *behind { request.with_behind() } else { request };
                let claims = inbox.claim(self.now, request).await.unwrap();
                let all = || claims.deliveries.iter().flat_map(|claimed| [claimed].into_iter().chain(&claimed.behind));
                self.leases.extend(all().map(|claimed| claimed.lease));
                let details = all().map(|claimed| {
                    let ClaimedDelivery { key, stage, body, lost_claims, behind, .. } = claimed;
                    format!("{claimed:?} {key:?} {stage:?} {body:?} {lost_claims} {}", behind.len())
                });
                format!("{:?} {:?}", claims.next_due, details.collect::<Vec<_>>())
            }
            Step::Settle(settlements) => {
                let settlement =
                    |(lease, outcome): &(usize, Outcome)| Some(Settlement::new(self.lease(*lease)?, outcome.settled(self.now)));
                format!("{:?}", inbox.settle(self.now, settlements.iter().filter_map(settlement).collect()).await)
            }
            Step::Renew(leases, seconds) => {
                let leases = leases.iter().filter_map(|lease| self.lease(*lease)).collect();
                format!("{:?}", inbox.renew(leases, self.now.after(Duration::from_secs(*seconds))).await)
            }
            Step::Requeue(id, reread) => {
                let reread = reread.as_ref().map(|event| Event { quarantine: None, ..event.clone() }.delivery(self.now));
                let id = self.id(*id);
                let seen = inbox.show(id).await.unwrap().map_or(State::Dead, |record| record.state);
                let requeued = inbox.requeue(Requeue::new(self.now, id, seen).reread(reread)).await;
                format!("{:?}", requeued.map_err(|error| error.to_string()))
            }
            Step::Prune(seconds) => {
                let [handled, dead, conflict, quarantined] = seconds.map(|seconds| Duration::from_secs(seconds.into()));
                let retention = Retention::default().handled(handled).dead(dead).conflict(conflict).quarantined(quarantined);
                format!("{:?}", inbox.prune(self.latest, retention).await)
            }
            Step::Forget(id) => {
                let forgotten = inbox.forget(self.id(*id)).await;
                format!("{:?}", forgotten.map_err(|error| error.to_string()))
            }
            Step::Resolve(id, note) => {
                let resolved = inbox.resolve(self.now, self.id(*id), &format!("note {note}")).await;
                format!("{:?}", resolved.map_err(|error| error.to_string()))
            }
            Step::Reopen(id) => {
                let reopened = inbox.reopen(self.now, self.id(*id)).await;
                format!("{:?}", reopened.map_err(|error| error.to_string()))
            }
            Step::Restore(deliveries) => {
                let records = deliveries.iter().map(|(event, state, seconds)| event.record(self.now, *state, *seconds));
                format!("{:?}", inbox.restore(records.collect()).await)
            }
            Step::List(query) => {
                let mut filter = query.filter();
                filter.before = query.before.map(|rank| self.id(rank));
                filter.after = query.after.map(|rank| self.id(rank));
                list(inbox, filter).await
            }
            Step::Pass(seconds) => {
                self.now = Timestamp::from_millis(self.now.as_millis() + i64::from(*seconds) * 1_000);
                self.latest = self.latest.max(self.now);
                String::new()
            }
        }
    }

    /// Returns one of the previous leases, counted from the last.
    fn lease(&self, back: usize) -> Option<Lease> {
        self.leases.iter().rev().nth(back).copied()
    }
}

impl Outcome {
    fn settled(&self, now: Timestamp) -> Settled {
        let later = |seconds: &u8| now.after(Duration::from_secs((*seconds).into()));
        match self {
            Self::Handled => Settled::Handled,
            Self::Retry(seconds) => Settled::Retry { at: later(seconds), error: format!("{seconds}") },
            Self::Parked(seconds) => Settled::Parked { until: later(seconds), reason: format!("{seconds}") },
            Self::Dead(cause) => Settled::Dead { cause: *cause, error: "dead".into() },
            Self::Released => Settled::Released,
        }
    }
}

impl Query {
    fn filter(&self) -> Filter {
        let mut filter = Filter::all();
        filter.states.extend(self.states.iter().copied().map(State::from_u8));
        filter.about = self.about.map(|order| order.to_string());
        filter.order = self.order.map(|order| format!("wert/order/{order}"));
        filter.cause = self.cause;
        filter.error = self.error.map(|text| text.to_string());
        let second = |second: u8| START.after(Duration::from_secs(second.into()));
        (filter.since, filter.until) =
            (self.arrival.map(|(since, _)| second(since)), self.arrival.map(|(_, until)| second(until)));
        (filter.resolved, filter.oldest_first) = (self.resolved, self.oldest_first);
        filter.search_limit = self.search_limit.map(usize::from);
        filter.event_type = self.kind.map(|kind| format!("kind-{kind}"));
        filter.limit = self.limit.map(usize::from);
        filter
    }
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

async fn everything(inbox: &dyn Inbox) -> String {
    let counts = (inbox.counts().await.unwrap(), inbox.open_counts().await.unwrap());
    let mut everything = format!("{counts:?}\n{}", list(inbox, Filter::all().limit(1_000)).await);
    for record in inbox.list(Filter::all().limit(1_000)).await.unwrap().records {
        let body = inbox.show(record.id).await.unwrap().unwrap().body;
        let history = inbox.history(record.id).await.unwrap();
        let texts: Vec<_> = history.iter().map(|entry| entry.text.clone()).collect();
        everything.push_str(&format!("\n{:?} {body:?} {history:?} {texts:?}", record.id));
    }
    everything
}

async fn compare(inbox: &dyn Inbox, bound: QuarantineBound, steps: &[Step]) -> Result<(), TestCaseError> {
    let memory = MemoryInbox::with_quarantine(bound);
    let inboxes: [&dyn Inbox; 2] = [&memory, inbox];
    let mut views = [0, 1].map(|_| View { now: START, latest: START, leases: Vec::new(), ids: Vec::new() });
    for (number, step) in steps.iter().enumerate() {
        let expected = views[0].step(inboxes[0], step).await;
        let found = views[1].step(inboxes[1], step).await;
        prop_assert_eq!(expected, found, "step {}: {:?}", number, step);
    }
    prop_assert_eq!(views[0].by_rank(&everything(inboxes[0]).await), views[1].by_rank(&everything(inboxes[1]).await));
    Ok(())
}

/// A sequence whose results once differed from those in memory.
fn regression() -> Vec<Step> {
    let record = |kind| {
        Step::Record(Event { order: 0, kind, body: 0, keyed: false, stage: None, expires: None, within: None, quarantine: None })
    };
    let claim = |limit| Step::Claim { limit, lease: 1, behind: false };
    let handled = |lease| (lease, Outcome::Handled);
    vec![
        record(2),
        claim(1),
        record(0),
        record(2),
        record(0),
        record(0),
        record(0),
        claim(5),
        Step::Settle(vec![handled(2), (0, Outcome::Released)]),
        record(0),
        claim(2),
        Step::Settle(vec![handled(7), handled(7), handled(2)]),
    ]
}

/// Runs a number of random sequences of calls, each on an inbox that `open` creates, and compares the results with the inbox in memory.
///
/// # Panics
/// If a result differs.
pub fn inbox(cases: u32, open: impl AsyncFn(QuarantineBound) -> Fixture) {
    let bound = QuarantineBound::new(3, 100);
    let check = async |steps: Vec<Step>| compare(&**open(bound).await.inbox(), bound, &steps).await;
    sequences(1, Just(()), async |_| check(regression()).await);
    sequences(cases, step(), check);
}

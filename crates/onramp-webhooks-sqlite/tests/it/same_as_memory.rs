//! Any sequence of calls has the same results on SQLite as in memory.

use std::time::Duration;

use onramp_webhooks::Provider;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, Stage};
use onramp_webhooks::inbox::{
    ClaimRequest, DeliveryId, Filter, Inbox, Lease, MemoryInbox, NewDelivery, Quarantine, QuarantineBound, Record, Retention,
    Settled, Settlement, State,
};
use onramp_webhooks_sqlite::SqliteOptions;
use proptest::prelude::*;

use crate::tools::file;

/// One call, with small numbers for everything, so that calls often meet.
#[derive(Clone, Debug)]
enum Step {
    Record(Event),
    Claim {
        limit: usize,
        lease: u64,
    },
    Settle(Vec<(usize, Outcome)>),
    Renew(Vec<usize>, u64),
    Rearm(u8, Option<Event>),
    Prune(u64),
    List(Look),
    /// Moves the clock, sometimes back.
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
    quarantine: Option<bool>,
}

#[derive(Clone, Debug)]
enum Outcome {
    Handled,
    Retry(u8),
    Parked(u8),
    Dead,
    Released,
}

#[derive(Clone, Debug)]
struct Look {
    state: Option<u8>,
    about: Option<u8>,
    kind: Option<u8>,
    before: Option<u8>,
    limit: Option<u8>,
}

fn event() -> impl Strategy<Value = Event> {
    let stage = prop::option::weighted(0.7, 0..4_u8);
    let expires = prop::option::weighted(0.3, 0..60_u8);
    let quarantine = prop::option::weighted(0.2, any::<bool>());
    (0..4_u8, 0..3_u8, 0..3_u8, prop::bool::weighted(0.9), stage, expires, quarantine).prop_map(
        |(order, kind, body, keyed, stage, expires, quarantine)| Event { order, kind, body, keyed, stage, expires, quarantine },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Handled),
        2 => (0..40_u8).prop_map(Outcome::Retry),
        1 => (0..40_u8).prop_map(Outcome::Parked),
        1 => Just(Outcome::Dead),
        1 => Just(Outcome::Released),
    ]
}

fn look() -> impl Strategy<Value = Look> {
    let option = |most| prop::option::of(0..most);
    (option(8_u8), option(4), option(3), option(20), option(5)).prop_map(|(state, about, kind, before, limit)| Look {
        state,
        about,
        kind,
        before,
        limit,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => event().prop_map(Step::Record),
        4 => (0..6_usize, 1..30_u64).prop_map(|(limit, lease)| Step::Claim { limit, lease }),
        4 => prop::collection::vec((0..12_usize, outcome()), 0..4).prop_map(Step::Settle),
        1 => (prop::collection::vec(0..12_usize, 0..4), 0..60_u64).prop_map(|(leases, until)| Step::Renew(leases, until)),
        1 => (0..25_u8, prop::option::of(event())).prop_map(|(id, reread)| Step::Rearm(id, reread)),
        1 => (0..60_u64).prop_map(Step::Prune),
        1 => look().prop_map(Step::List),
        3 => prop_oneof![4 => 0..30_i16, 1 => -20..0_i16].prop_map(Step::Pass),
    ]
}

impl Event {
    fn delivery(&self, now: Timestamp) -> NewDelivery {
        let kind = format!("kind-{}", self.kind);
        let body = format!("{kind} of {} says {}", self.order, self.body);
        let mut new = NewDelivery::new("wert", Provider::Wert, now, body.into());
        new.key = self.keyed.then(|| DedupKey::from_parts(format!("wert/order/{}", self.order), kind.clone()));
        new.event_type = Some(kind);
        new.stage = self.stage.map(Stage::from_u8);
        new.key_expires_at = self.expires.map(|seconds| now.after(Duration::from_secs(seconds.into())));
        new.quarantine = self.quarantine.map(|junk| if junk { Quarantine::junk("junk") } else { Quarantine::misfit("misfit") });
        new.fingerprint = if self.body == 0 { Fingerprint::SYNTHETIC } else { Fingerprint::of(&[self.body]) };
        new
    }
}

/// What one inbox has told so far.
struct Told {
    now: Timestamp,
    /// The latest moment so far: pruning is for clocks that go forward.
    latest: Timestamp,
    leases: Vec<Lease>,
}

impl Told {
    /// Makes one call, and answers all that can be seen of it.
    async fn make(&mut self, inbox: &dyn Inbox, step: &Step) -> String {
        match step {
            Step::Record(event) => format!("{:?}", inbox.record(event.delivery(self.now)).await),
            Step::Claim { limit, lease } => {
                let claims = inbox.claim(self.now, ClaimRequest::new(*limit, Duration::from_secs(*lease))).await.unwrap();
                self.leases.extend(claims.deliveries.iter().map(|claimed| claimed.lease));
                let details = claims.deliveries.iter().map(|claimed| format!("{claimed:?} {:?} {:?}", claimed.key, claimed.body));
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
            Step::Rearm(id, reread) => {
                let reread = reread.as_ref().map(|event| Event { quarantine: None, ..event.clone() }.delivery(self.now));
                let id = DeliveryId::from_i64((*id).into());
                let seen = inbox.show(id).await.unwrap().map_or(State::Dead, |record| record.state);
                let rearmed = inbox.rearm(id, seen, reread).await;
                format!("{:?}", rearmed.map_err(|error| error.to_string()))
            }
            Step::Prune(seconds) => {
                format!("{:?}", inbox.prune(self.latest, Retention::new(Duration::from_secs(*seconds))).await)
            }
            Step::List(look) => list(inbox, look.filter()).await,
            Step::Pass(seconds) => {
                self.now = Timestamp::from_millis(self.now.as_millis() + i64::from(*seconds) * 1_000);
                self.latest = self.latest.max(self.now);
                String::new()
            }
        }
    }

    /// One of the leases given out, counted from the last.
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
            Self::Dead => Settled::Dead { error: "dead".into() },
            Self::Released => Settled::Released,
        }
    }
}

impl Look {
    fn filter(&self) -> Filter {
        let mut filter = Filter::all();
        filter.states.extend(self.state.and_then(onramp_webhooks::inbox::State::from_u8));
        filter.about = self.about.map(|order| order.to_string());
        filter.event_type = self.kind.map(|kind| format!("kind-{kind}"));
        filter.before = self.before.map(|id| DeliveryId::from_i64(id.into()));
        filter.limit = self.limit.map(usize::from);
        filter
    }
}

async fn list(inbox: &dyn Inbox, filter: Filter) -> String {
    let told = |record: &Record| {
        let key = record.key.as_ref().map(ToString::to_string);
        format!("{record:?} {key:?} {:?} {:?} {:?}", record.fingerprint, record.note, record.body)
    };
    inbox.list(filter).await.unwrap().iter().map(told).collect::<Vec<_>>().join("\n")
}

async fn everything(inbox: &dyn Inbox) -> String {
    let mut everything = format!("{:?}\n{}", inbox.counts().await.unwrap(), list(inbox, Filter::all().limit(1_000)).await);
    for record in inbox.list(Filter::all().limit(1_000)).await.unwrap() {
        let body = inbox.show(record.id).await.unwrap().unwrap().body;
        everything.push_str(&format!("\n{} {body:?}", record.id));
    }
    everything
}

async fn tells_the_same(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (_folder, path) = file();
    let bound = QuarantineBound::new(3, 100);
    let inboxes: [Box<dyn Inbox>; 2] = [
        Box::new(MemoryInbox::with_quarantine(bound)),
        Box::new(SqliteOptions::new(&path).quarantine(bound).open().await.unwrap()),
    ];
    let start = Timestamp::from_millis(1_700_000_000_000);
    let mut told = [0, 1].map(|_| Told { now: start, latest: start, leases: Vec::new() });
    for (number, step) in steps.iter().enumerate() {
        let memory = told[0].make(&*inboxes[0], step).await;
        let sqlite = told[1].make(&*inboxes[1], step).await;
        prop_assert_eq!(memory, sqlite, "step {}: {:?}", number, step);
    }
    prop_assert_eq!(everything(&*inboxes[0]).await, everything(&*inboxes[1]).await);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_tells_the_same_as_memory(steps in prop::collection::vec(step(), 1..120)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(tells_the_same(steps))?;
    }
}

//! The calls of a sequence, as bytes choose them.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::Money;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{ClaimRequest, DeadCause, DeliveryId, Filter, NewDelivery, Quarantine, Record, Settled, State};

use super::START;
use crate::same_as_memory::choices::Choices;

/// The most bytes that choose a step.
pub(super) const LONGEST: usize = 32;

const ENDPOINTS: [&str; 3] = ["wert", "other", "third"];

fn endpoint(number: u8) -> &'static str {
    ENDPOINTS.get(usize::from(number)).unwrap()
}

/// One call, or several. All numbers are small, so that calls often affect the same rows.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Record(Event),
    Claim(Claim),
    /// Claims as often, and never settles: the process ends, and so do the leases.
    Crash(u8, Claim),
    Settle(Vec<(usize, Outcome)>),
    Renew(Vec<usize>, u64),
    Requeue(u8, Option<Event>),
    Prune([u8; 4]),
    Forget(u8),
    Resolve(u8, u8),
    Reopen(u8),
    Reveal(u8, u8),
    /// Replaces the state of a task, in a version relative to the stored one.
    StoreTask(u8, i8, u8),
    /// Restores deliveries in states, with the seconds after which they are due, or settled.
    Restore(Vec<(Event, u8, u8)>),
    List(Query),
    /// Moves the clock by a number of seconds, sometimes backwards.
    Pass(i16),
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) endpoint: u8,
    pub(super) order: u8,
    pub(super) kind: u8,
    pub(super) body: u8,
    pub(super) keyed: bool,
    pub(super) stage: Option<u8>,
    pub(super) expires: Option<u8>,
    pub(super) within: Option<u8>,
    pub(super) quarantine: Option<bool>,
}

#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) limit: u8,
    pub(super) lease: u8,
    pub(super) behind: bool,
    pub(super) suspect: bool,
    pub(super) turn: u8,
    /// The numbers of deliveries held of each endpoint.
    pub(super) held: [u8; ENDPOINTS.len()],
    /// Endpoints that are left out, one bit each.
    pub(super) except: u8,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Handled,
    Retry(u8),
    Parked(u8),
    Dead(DeadCause),
    Released,
}

#[derive(Clone, Debug)]
pub(super) struct Query {
    states: Vec<u8>,
    endpoint: Option<u8>,
    about: Option<u8>,
    order: Option<u8>,
    kind: Option<u8>,
    cause: Option<DeadCause>,
    error: Option<u8>,
    arrival: Option<(u8, u8)>,
    resolved: Option<bool>,
    pub(super) before: Option<u8>,
    pub(super) after: Option<u8>,
    oldest_first: bool,
    limit: Option<u8>,
    search_limit: Option<u8>,
    bodies: bool,
}

impl Step {
    pub(super) fn chosen(by: &mut Choices<'_>) -> Self {
        match by.below(38) {
            0..=7 => Self::Record(Event::chosen(by)),
            8..=13 => Self::Claim(Claim::chosen(by)),
            14 => Self::Crash(1 + by.below(6), Claim::chosen(by)),
            15..=19 => Self::Settle(by.list(4, |by| (by.below(12).into(), Outcome::chosen(by)))),
            20 => Self::Renew(by.list(4, |by| by.below(12).into()), by.below(60).into()),
            21..=22 => Self::Requeue(by.below(25), by.percent(50).then(|| Event::chosen(by))),
            23 => Self::Prune([0; 4].map(|_| by.below(60))),
            24 => Self::Forget(by.below(25)),
            25 => Self::Resolve(by.below(25), by.below(9)),
            26 => Self::Reopen(by.below(25)),
            27 => Self::Reveal(by.below(25), by.below(3)),
            28 => Self::StoreTask(by.below(2), by.one_of(&[0, 0, 0, -1, 1]), by.byte()),
            29 => Self::Restore(by.list(3, |by| (Event::chosen(by), by.below(8), by.below(40)))),
            30..=32 => Self::List(Query::chosen(by)),
            _ => Self::Pass(pause(by)),
        }
    }
}

/// Returns a number of seconds: few, some that end leases or make deliveries late, or a step back.
fn pause(by: &mut Choices<'_>) -> i16 {
    match by.below(8) {
        0..=4 => by.below(30).into(),
        5 => -i16::from(by.below(20)),
        6 => 59 + i16::from(by.below(4)),
        _ => i16::from(by.byte()) * 16,
    }
}

impl Event {
    fn chosen(by: &mut Choices<'_>) -> Self {
        Self {
            endpoint: by.one_of(&[0, 0, 0, 1, 2]),
            order: by.below(4),
            kind: by.below(3),
            body: by.below(4),
            keyed: by.byte() % 10 != 9,
            stage: Some(by.below(6)).filter(|stage| *stage < 4),
            expires: by.option(30, 60),
            within: by.option(20, 60),
            quarantine: by.option(20, 2).map(|noise| noise == 1),
        }
    }

    fn subject(&self) -> String {
        format!("{}/order/{}", endpoint(self.endpoint), self.order)
    }

    pub(super) fn delivery(&self, now: Timestamp) -> NewDelivery {
        let kind = format!("kind-{}", self.kind);
        let body = format!("{kind} of {} says {}", self.order, self.body);
        let mut new = NewDelivery::new(endpoint(self.endpoint), "wert", now, body.into());
        new.key = self.keyed.then(|| DedupKey::from_parts(self.subject(), kind.clone()));
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

    /// Returns a delivery of another inbox.
    pub(super) fn record(&self, now: Timestamp, state: u8, seconds: u8) -> Record {
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

impl Claim {
    fn chosen(by: &mut Choices<'_>) -> Self {
        Self {
            limit: by.below(6),
            lease: 1 + by.below(29),
            behind: by.percent(50),
            suspect: by.percent(20),
            turn: by.below(2),
            held: [0; ENDPOINTS.len()].map(|_| by.below(3)),
            except: by.one_of(&[0, 0, 1, 2, 5]),
        }
    }

    pub(super) fn request(&self) -> ClaimRequest {
        let request = ClaimRequest::new(self.limit.into(), Duration::from_secs(self.lease.into())).turn(self.turn.into());
        let held = ENDPOINTS.into_iter().zip(self.held).map(|(name, held)| (name.into(), held.into()));
        let except = (0..).zip(ENDPOINTS).filter(|(bit, _)| self.except >> bit & 1 == 1).map(|(_, name)| name.into());
        let request = request.held(held.collect()).except(except.collect());
        let request = if self.behind { request.with_behind() } else { request };
        if self.suspect { request.of_a_suspect() } else { request }
    }
}

impl Outcome {
    fn chosen(by: &mut Choices<'_>) -> Self {
        match by.below(8) {
            0..=2 => Self::Handled,
            3..=4 => Self::Retry(by.below(40)),
            5 => Self::Parked(by.below(40)),
            6 => Self::Dead(by.one_of(&DeadCause::ALL)),
            _ => Self::Released,
        }
    }

    pub(super) fn settled(&self, now: Timestamp) -> Settled {
        let later = |seconds: &u8| now.after(Duration::from_secs((*seconds).into()));
        match self {
            Self::Handled => Settled::Handled,
            Self::Retry(seconds) => Settled::Retry { at: later(seconds), error: format!("{seconds} s") },
            Self::Parked(seconds) => Settled::Parked { until: later(seconds), reason: format!("{seconds}") },
            Self::Dead(cause) => Settled::Dead { cause: *cause, error: "dead".into() },
            Self::Released => Settled::Released,
        }
    }
}

impl Query {
    fn chosen(by: &mut Choices<'_>) -> Self {
        Self {
            states: by.list(3, |by| by.below(8)),
            endpoint: by.option(20, 3),
            about: by.option(30, 4),
            order: by.option(30, 4),
            kind: by.option(30, 3),
            cause: by.percent(20).then(|| by.one_of(&DeadCause::ALL)),
            error: by.option(30, 40),
            arrival: by.percent(30).then(|| (by.below(60), by.below(60))),
            resolved: by.option(50, 2).map(|resolved| resolved == 1),
            before: by.option(30, 20),
            after: by.option(30, 20),
            oldest_first: by.percent(50),
            limit: by.option(30, 5),
            search_limit: by.option(30, 6),
            bodies: by.percent(30),
        }
    }

    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::all();
        filter.states.extend(self.states.iter().copied().map(State::from_u8));
        filter.endpoint = self.endpoint.map(|number| endpoint(number).to_owned());
        filter.about = self.about.map(|order| order.to_string());
        filter.order = self.order.map(|order| format!("wert/order/{order}"));
        filter.cause = self.cause;
        // Ids in notes differ between stores.
        filter.error = self.error.map(|text| format!("{text} s"));
        let second = |second: u8| START.after(Duration::from_secs(second.into()));
        (filter.since, filter.until) =
            (self.arrival.map(|(since, _)| second(since)), self.arrival.map(|(_, until)| second(until)));
        (filter.resolved, filter.oldest_first) = (self.resolved, self.oldest_first);
        filter.search_limit = self.search_limit.map(usize::from);
        filter.event_type = self.kind.map(|kind| format!("kind-{kind}"));
        filter.limit = self.limit.map(usize::from);
        filter.bodies = self.bodies;
        filter
    }
}

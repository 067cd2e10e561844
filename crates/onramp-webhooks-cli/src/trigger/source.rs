//! The requests, made as they are sent.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use clap::ValueEnum;
use fastrand::Rng;
use onramp_webhooks::provider::{ProviderName, Providers};
use onramp_webhooks::{Event, Money};
use onramp_webhooks_testkit::simulator::Simulator;

use super::edit::{Edit, EditError};
use super::scenario::Scenario;
use crate::exit::CliError;

/// The pause between the events of an order with `--pace real`.
const REAL_PAUSE: Duration = Duration::from_secs(30);

/// The number of requests that are shuffled together.
const SHUFFLED: usize = 10_000;

/// The size of a body that is too large: more than the receiver's limit of 1 MiB.
const TOO_LARGE: usize = (1 << 20) + 1_024;

/// The amounts of conflicting events, of which one differs from any other amount.
const OTHER_AMOUNTS: [&str; 2] = ["9000.00", "9000.01"];

/// A fault of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broken {
    /// The body ends in the middle
    Truncated,
    /// The body is text
    NotJson,
    /// The body has more than 1 MiB
    TooLarge,
    /// The body arrives in pieces, within 2 s
    Slow,
}

/// The body of a request, and its event before it was broken.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) event_type: String,
    /// The purchase that the receiver learns from it for the first time.
    pub(crate) purchase: Option<Money>,
    /// The pause before it.
    pub(crate) pause: Duration,
}

/// The bodies of a unit of work.
#[derive(Clone, Debug)]
pub(crate) enum Bodies {
    Scenario(Scenario),
    /// The content of a file.
    File(Bytes),
}

/// The settings of a source.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) provider: ProviderName,
    pub(crate) bodies: Bodies,
    pub(crate) edits: Vec<Edit>,
    pub(crate) conflict: bool,
    pub(crate) duplicates: u32,
    pub(crate) shuffle: bool,
    pub(crate) broken: Option<Broken>,
    pub(crate) is_real_pace: bool,
    pub(crate) count: u64,
    pub(crate) seed: u64,
}

/// An iterator over units of work. The requests of a unit are sent one after another, and units at the same time.
pub(crate) struct Source {
    plan: Plan,
    simulator: Simulator,
    random: Rng,
    providers: Providers,
    left: u64,
    shuffled: VecDeque<Shot>,
}

impl Source {
    pub(crate) fn new(plan: Plan) -> Self {
        let (simulator, random, left) = (Simulator::seeded(plan.seed), Rng::with_seed(plan.seed), plan.count);
        Self { plan, simulator, random, providers: Providers::default(), left, shuffled: VecDeque::new() }
    }

    /// Returns the number of requests. Checks that every edit fits an event of a unit.
    pub(crate) fn check(plan: &Plan) -> Result<u64, CliError> {
        let mut trial = Self::new(Plan { count: 1, ..plan.clone() });
        let mut bodies: Vec<_> = trial.posts().into_iter().map(|(_, body)| body).collect();
        for edit in &plan.edits {
            let mut misfit = None;
            let mut fits = false;
            for body in &mut bodies {
                match edit.apply(body) {
                    Ok(edited) => (*body, fits) = (edited, true),
                    Err(error) => misfit = Some(error),
                }
            }
            if let Some(error) = misfit.filter(|error| !fits || !matches!(error, EditError::NoSuchValue(_))) {
                return Err(CliError::Usage(error.to_string()).hint(look_at(plan)));
            }
        }
        let unit = trial.unit();
        if plan.conflict && unit.iter().all(|shot| shot.purchase.is_none()) {
            return Err(CliError::Usage("--conflict: no event reports a completed purchase".to_owned()));
        }
        Ok(plan.count.saturating_mul(unit.len() as u64))
    }

    /// Returns the bodies of a unit as the provider sends them.
    fn posts(&mut self) -> Vec<(&'static str, Bytes)> {
        match &self.plan.bodies {
            Bodies::Scenario(scenario) => {
                scenario.posts(&mut self.simulator).into_iter().map(|post| (post.content_type, post.body)).collect()
            }
            Bodies::File(body) => vec![(content_type(&self.plan.provider, body), body.clone())],
        }
    }

    /// Returns the next unit, before it is shuffled.
    fn unit(&mut self) -> Vec<Shot> {
        let mut unit = Vec::new();
        for (content_type, body) in self.posts() {
            let body = self.plan.edits.iter().fold(body, |body, edit| edit.apply(&body).unwrap_or(body));
            let event = self.providers.read(&self.plan.provider, &body).ok();
            let pause = if self.plan.is_real_pace && !unit.is_empty() { REAL_PAUSE } else { Duration::ZERO };
            let shot = Shot {
                content_type,
                event_type: event.as_ref().map_or_else(|| "unreadable".to_owned(), |event| event.type_name().to_owned()),
                purchase: event.as_ref().and_then(paid),
                body,
                pause,
            };
            let copy = Shot { purchase: None, pause: Duration::ZERO, ..shot.clone() };
            let other = if self.plan.conflict && shot.purchase.is_some() { self.contradiction(&copy) } else { None };
            unit.push(shot);
            unit.extend((0..self.plan.duplicates).map(|_| copy.clone()));
            unit.extend(other);
        }
        unit.into_iter().map(|shot| self.broken(shot)).collect()
    }

    /// Returns the event with another amount.
    fn contradiction(&self, shot: &Shot) -> Option<Shot> {
        let path: &[&str] = if self.plan.provider == *"wert" { &["order", "quote_amount"] } else { &["fiat_amount"] };
        let bodies = OTHER_AMOUNTS.iter().filter_map(|amount| Edit::text(path, amount).apply(&shot.body).ok());
        let body = bodies.into_iter().find(|body| *body != shot.body)?;
        Some(Shot { body, ..shot.clone() })
    }

    fn broken(&self, shot: Shot) -> Shot {
        let body = match self.plan.broken {
            Some(Broken::Truncated) => shot.body.slice(..shot.body.len() / 2),
            Some(Broken::NotJson) => Bytes::from_static(b"this is not JSON"),
            Some(Broken::TooLarge) => {
                let mut body = BytesMut::from(&*shot.body);
                body.put_bytes(b' ', TOO_LARGE.saturating_sub(body.len()));
                body.freeze()
            }
            Some(Broken::Slow) | None => return shot,
        };
        Shot { body, purchase: None, ..shot }
    }
}

impl Iterator for Source {
    type Item = Vec<Shot>;

    fn next(&mut self) -> Option<Vec<Shot>> {
        if !self.plan.shuffle {
            self.left = self.left.checked_sub(1)?;
            return Some(self.unit());
        }
        if self.shuffled.is_empty() {
            while self.left > 0 && self.shuffled.len() < SHUFFLED {
                self.left -= 1;
                let unit = self.unit();
                self.shuffled.extend(unit);
            }
            self.random.shuffle(self.shuffled.make_contiguous());
        }
        Some(vec![self.shuffled.pop_front()?])
    }
}

fn look_at(plan: &Plan) -> String {
    match &plan.bodies {
        Bodies::Scenario(_) => "look at the bodies with --print body, or add a value with --add".to_owned(),
        Bodies::File(_) => "look at the file, or add a value with --add".to_owned(),
    }
}

fn paid(event: &Event) -> Option<Money> {
    Some(event.completed_purchase().ok()??.fiat)
}

/// Returns the type of a body: Kriptomat sends forms, too.
fn content_type(provider: &ProviderName, body: &[u8]) -> &'static str {
    let is_json = body.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
    if *provider == *"kriptomat" && !is_json { "application/x-www-form-urlencoded" } else { "application/json" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::scenario::OrderOutcome;
    use super::*;

    fn plan(scenario: Scenario, count: u64) -> Plan {
        Plan {
            provider: if scenario == Scenario::Purchase { "kriptomat" } else { "wert" }.into(),
            bodies: Bodies::Scenario(scenario),
            edits: Vec::new(),
            conflict: false,
            duplicates: 0,
            shuffle: false,
            broken: None,
            is_real_pace: false,
            count,
            seed: 7,
        }
    }

    const CHECKOUT: Scenario = Scenario::Checkout(OrderOutcome::Completed);

    #[test]
    fn duplicates_follow_their_event_and_count_no_purchase() {
        let duplicated = Plan { duplicates: 2, ..plan(CHECKOUT, 5) };
        assert_eq!(Source::check(&duplicated).unwrap(), 45);
        let units: Vec<_> = Source::new(duplicated).collect();
        assert_eq!(units.len(), 5);
        for unit in units {
            assert_eq!(unit.len(), 9);
            assert!(unit.chunks(3).all(|copies| copies.iter().all(|copy| copy.body == copies[0].body)));
            assert_eq!(unit.iter().filter(|shot| shot.purchase.is_some()).count(), 1);
        }
    }

    #[test]
    fn shuffled_requests_are_all_requests_once() {
        let shuffled = Plan { shuffle: true, ..plan(CHECKOUT, 4_000) };
        let types: Vec<_> = Source::new(shuffled.clone()).map(|unit| unit.into_iter().next().unwrap()).collect();
        assert_eq!(types.len(), 12_000);
        assert_eq!(types.iter().map(|shot| &shot.body).collect::<BTreeSet<_>>().len(), 12_000);
        assert!(types.windows(3).any(|three| three[0].event_type == "order_complete" && three[1].event_type == "order_complete"));
        let again: Vec<_> = Source::new(shuffled).map(|unit| unit[0].event_type.clone()).collect();
        assert!(types.iter().map(|shot| &shot.event_type).eq(&again), "the seed decides");
    }

    #[test]
    fn a_conflict_has_the_same_id_and_another_amount() {
        for (scenario, number) in [(CHECKOUT, 4), (Scenario::Purchase, 2)] {
            let plan = Plan { conflict: true, ..plan(scenario, 1) };
            let unit = Source::new(plan.clone()).next().unwrap();
            assert_eq!((Source::check(&plan).unwrap(), unit.len()), (number, unit.len() as u64 as usize));
            let event = |shot: &Shot| Providers::default().read(&plan.provider, &shot.body).unwrap();
            let [first, second] = &unit[unit.len() - 2..] else { panic!("two") };
            let key = |shot| event(shot).identity().key("e", "t", &onramp_webhooks::fingerprint::Fingerprint::of(b"")).unwrap();
            assert_eq!(key(first), key(second));
            assert_ne!(paid(&event(first)), paid(&event(second)));
            assert!(second.purchase.is_none());
        }
        let failed = Plan { conflict: true, ..plan(Scenario::Checkout(OrderOutcome::Failed), 1) };
        assert!(Source::check(&failed).unwrap_err().to_string().contains("--conflict"));
        let edited = Plan { edits: vec![Edit::set("order.quote_amount=9000.00").unwrap()], conflict: true, ..plan(CHECKOUT, 1) };
        let unit = Source::new(edited).next().unwrap();
        assert!(unit.last().unwrap().body.windows(7).any(|text| text == b"9000.01"));
    }

    #[test]
    fn an_edit_fits_at_least_one_event() {
        let edited = |edits: &[Edit]| Source::check(&Plan { edits: edits.to_vec(), ..plan(CHECKOUT, 2) });
        assert_eq!(edited(&[Edit::set("order.quote=EUR").unwrap(), Edit::text(&["click_id"], "c")]).unwrap(), 6);
        for edit in [Edit::set("order.quotee=EUR"), Edit::add("order.id=x"), Edit::unset("x")] {
            assert!(edited(&[edit.unwrap()]).is_err());
        }
        let only_failed = Plan { edits: vec![Edit::set("order.error_code=x").unwrap()], ..plan(Scenario::Every, 1) };
        assert!(Source::check(&only_failed).is_ok(), "one event of all has it");
    }

    #[test]
    fn broken_bodies_are_broken() {
        let body = |broken| Source::new(Plan { broken: Some(broken), ..plan(CHECKOUT, 1) }).next().unwrap().pop().unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&body(Broken::Truncated).body).is_err());
        assert!(serde_json::from_slice::<serde_json::Value>(&body(Broken::NotJson).body).is_err());
        assert!(body(Broken::TooLarge).body.len() > 1 << 20);
        assert!(body(Broken::Slow).purchase.is_some() && body(Broken::TooLarge).purchase.is_none());
    }

    #[test]
    fn a_file_is_sent_as_it_is() {
        for (provider, body, content_type) in [
            ("wert", &b"\x00\xff"[..], "application/json"),
            ("kriptomat", b" {\"uuid\":1}", "application/json"),
            ("kriptomat", b"uuid=1", "application/x-www-form-urlencoded"),
        ] {
            let bodies = Bodies::File(Bytes::copy_from_slice(body));
            let plan = Plan { provider: provider.into(), bodies, ..plan(Scenario::Purchase, 1) };
            let shot = Source::new(plan).next().unwrap().pop().unwrap();
            assert_eq!((&*shot.body, shot.content_type), (body, content_type));
        }
    }

    #[test]
    fn real_events_of_an_order_have_pauses() {
        let real = Plan { is_real_pace: true, duplicates: 1, ..plan(CHECKOUT, 1) };
        let pauses: Vec<_> = Source::new(real).next().unwrap().iter().map(|shot| shot.pause.as_secs()).collect();
        assert_eq!(pauses, [0, 0, 30, 0, 30, 0]);
    }
}

//! Sequences of calls of an inbox.

mod step;
mod view;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Inbox, MemoryInbox, QuarantineBound};
use onramp_webhooks_testkit::inbox::Fixture;
use proptest::prelude::*;

use self::step::{Claim, Event, LONGEST, Outcome, Step};
use self::view::View;
use super::choices::Choices;
use super::sequences;

/// The time of the first call.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The most steps that bytes choose.
const MOST: usize = 200;

/// A bound that a few deliveries exceed.
const BOUND: QuarantineBound = QuarantineBound::new(3, 100);

/// Returns the first step whose results differ, with both results.
async fn difference(inbox: &dyn Inbox, steps: &[Step]) -> Result<(), String> {
    let memory = MemoryInbox::with_quarantine(BOUND);
    let (mut expected, mut found) = (View::new(&memory), View::new(inbox));
    let same = |step: &dyn std::fmt::Debug, expected: String, found: String| {
        if expected == found { Ok(()) } else { Err(format!("{step:?}\nin memory: {expected}\nfound:     {found}")) }
    };
    for (number, step) in steps.iter().enumerate() {
        same(&(number, step), expected.step(step).await, found.step(step).await)?;
    }
    same(&"at the end", expected.everything().await, found.everything().await)
}

/// A sequence whose results once differed from those in memory.
fn regression() -> Vec<Step> {
    let record = |kind| {
        let event = Event {
            endpoint: 0,
            order: 0,
            kind,
            body: 0,
            keyed: false,
            stage: None,
            expires: None,
            within: None,
            quarantine: None,
        };
        Step::Record(event)
    };
    let claim = |limit| Step::Claim(Claim { limit, lease: 1, behind: false, suspect: false, turn: 0, held: [0; 3], except: 0 });
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
    let check = async |steps: Vec<Step>| difference(&**open(BOUND).await.inbox(), &steps).await.map_err(TestCaseError::fail);
    sequences(1, Just(()), async |_| check(regression()).await);
    let step = prop::array::uniform::<_, LONGEST>(any::<u8>()).prop_map(|bytes| Step::chosen(&mut Choices::new(&bytes)));
    sequences(cases, step, check);
}

/// Makes the calls that `bytes` choose, on an inbox that `open` creates, and compares the results with the inbox in memory. A store that ignores
/// [`ClaimRequest::behind`](onramp_webhooks::inbox::ClaimRequest::behind) is compared without it.
///
/// # Panics
/// If a result differs.
pub async fn chosen_inbox(bytes: &[u8], claims_behind: bool, open: impl AsyncFn(QuarantineBound) -> Fixture) {
    let mut choices = Choices::new(bytes);
    let mut steps = Vec::new();
    while !choices.is_empty() && steps.len() < MOST {
        let mut step = Step::chosen(&mut choices);
        if let Step::Claim(claim) | Step::Crash(_, claim) = &mut step {
            claim.behind &= claims_behind;
        }
        steps.push(step);
    }
    if let Err(difference) = difference(&**open(BOUND).await.inbox(), &steps).await {
        let steps: Vec<_> = steps.iter().map(|step| format!("{step:?}")).collect();
        panic!("{difference}\nin\n{}", steps.join("\n"));
    }
}

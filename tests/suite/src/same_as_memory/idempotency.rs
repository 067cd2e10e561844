//! Sequences of calls of a store of idempotency keys.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{ABANDONED_AFTER, IdempotencyKey, IdempotencyStore, KeyLease, MemoryIdempotencyStore};
use onramp_webhooks_testkit::idempotency::Fixture;
use proptest::prelude::*;

use super::sequences;
use crate::deliveries::now;

/// One call. All numbers are small, so that calls often affect the same rows.
#[derive(Clone, Debug)]
enum Step {
    Claim {
        who: Who,
        body: u8,
        lease: u8,
    },
    Renew {
        who: Who,
        lease: u8,
    },
    Complete {
        who: Who,
        reply: Vec<u8>,
        keep: u8,
    },
    Release(Who),
    Prune,
    /// Moves the clock by a number of seconds, sometimes backwards.
    Pass(i16),
    /// Moves the clock to the second at which claims count as abandoned.
    PassLong,
}

#[derive(Clone, Copy, Debug)]
struct Who {
    key: u8,
    token: u8,
}

fn who() -> impl Strategy<Value = Who> {
    (0..4_u8, 0..3_u8).prop_map(|(key, token)| Who { key, token })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (who(), 0..3_u8, 0..40_u8).prop_map(|(who, body, lease)| Step::Claim { who, body, lease }),
        2 => (who(), 0..40_u8).prop_map(|(who, lease)| Step::Renew { who, lease }),
        4 => (who(), prop::collection::vec(any::<u8>(), 0..3), 0..40_u8)
            .prop_map(|(who, reply, keep)| Step::Complete { who, reply, keep }),
        2 => who().prop_map(Step::Release),
        2 => Just(Step::Prune),
        4 => prop_oneof![4 => 0..30_i16, 1 => -20..0_i16].prop_map(Step::Pass),
        1 => Just(Step::PassLong),
    ]
}

impl Who {
    fn claim(self) -> KeyLease {
        KeyLease { key: IdempotencyKey::of(&[&[self.key]]), token: self.token.into() }
    }
}

/// Makes one call, and describes all its visible effects.
async fn make(store: &dyn IdempotencyStore, now: Timestamp, step: &Step) -> String {
    let later = |seconds: u8| now.after(Duration::from_secs(seconds.into()));
    match step {
        Step::Claim { who, body, lease } => {
            format!("{:?}", store.claim(now, who.claim(), Fingerprint::of(&[*body]), later(*lease)).await)
        }
        Step::Renew { who, lease } => format!("{:?}", store.renew(who.claim(), later(*lease)).await),
        Step::Complete { who, reply, keep } => {
            format!("{:?}", store.complete(who.claim(), reply.clone().into(), later(*keep)).await)
        }
        Step::Release(who) => format!("{:?}", store.release(who.claim()).await),
        Step::Prune => format!("{:?}", store.prune(now).await),
        Step::Pass(_) | Step::PassLong => String::new(),
    }
}

async fn compare(store: &dyn IdempotencyStore, steps: &[Step]) -> Result<(), TestCaseError> {
    let memory = MemoryIdempotencyStore::new();
    let mut now = now();
    for (number, step) in steps.iter().enumerate() {
        now = match step {
            Step::Pass(seconds) => Timestamp::from_millis(now.as_millis() + i64::from(*seconds) * 1_000),
            Step::PassLong => now.after(ABANDONED_AFTER),
            _ => now,
        };
        prop_assert_eq!(make(&memory, now, step).await, make(store, now, step).await, "step {}: {:?}", number, step);
    }
    Ok(())
}

/// Runs a number of random sequences of calls, each on a store that `open` creates, and compares the results with the store in memory.
///
/// # Panics
/// If a result differs.
pub fn idempotency_store(cases: u32, open: impl AsyncFn() -> Fixture) {
    sequences(cases, step(), async |steps: Vec<Step>| compare(&*open().await, &steps).await);
}

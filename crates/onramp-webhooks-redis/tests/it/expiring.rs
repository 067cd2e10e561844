//! Times to live in Redis.

use std::time::Duration;

use onramp_webhooks::idempotency::{ABANDONED_AFTER, IdempotencyStore, KeyState};

use crate::tools::{KEEP, LEASE, begin, claim, end, fingerprint, now};
use onramp_webhooks_suite::redis::{TestPrefix, url};

/// By so much may clocks differ.
const MARGIN: Duration = Duration::from_secs(3_600);

/// Asserts the time to live of the only entry of a prefix, but for the duration of this test.
async fn lives(prefix: &TestPrefix, expected: Duration) {
    let mut connection = redis::Client::open(url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}:{}", prefix.name(), claim("A", 1).key);
    let rest: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
    let rest = Duration::from_millis(u64::try_from(rest).unwrap());
    assert!(rest <= expected && rest + Duration::from_secs(20) > expected, "{rest:?} is not {expected:?}");
}

#[tokio::test]
async fn a_claim_lives_as_long_as_it_can_be_completed_and_a_reply_as_long_as_it_counts() {
    let prefix = TestPrefix::new();
    let store = prefix.open().await;
    begin(&store, claim("A", 1)).await;
    lives(&prefix, LEASE + ABANDONED_AFTER + MARGIN).await;
    assert!(store.renew(claim("A", 1), now().after(10 * LEASE)).await.unwrap());
    lives(&prefix, 10 * LEASE + ABANDONED_AFTER + MARGIN).await;
    assert!(end(&store, claim("A", 1), "created").await);
    lives(&prefix, KEEP + MARGIN).await;
}

/// Redis would refuse a time to live that does not fit, in the middle of a script.
#[tokio::test]
async fn the_longest_and_the_shortest_times_are_taken() {
    let prefix = TestPrefix::new();
    let store = prefix.open().await;
    let longest = Duration::from_millis(100_000_000_000_000);
    let ever = now().after(Duration::MAX);
    assert_eq!(store.claim(now(), claim("A", 1), fingerprint(), ever).await.unwrap(), KeyState::Claimed);
    lives(&prefix, longest).await;
    assert!(store.renew(claim("A", 1), ever).await.unwrap());
    lives(&prefix, longest).await;
    assert!(store.renew(claim("A", 1), now().before(LEASE)).await.unwrap());
    lives(&prefix, ABANDONED_AFTER + MARGIN).await;
    assert!(store.complete(claim("A", 1), "created".into(), ever).await.unwrap());
    lives(&prefix, longest).await;
}

/// A clock that went back between the claim and its end.
#[tokio::test]
async fn a_reply_that_expires_before_its_claim_began_lives_for_the_margin() {
    let prefix = TestPrefix::new();
    let store = prefix.open().await;
    begin(&store, claim("A", 1)).await;
    assert!(store.complete(claim("A", 1), "created".into(), now().before(KEEP)).await.unwrap());
    lives(&prefix, MARGIN).await;
}

//! Many machines on one prefix, and several prefixes on one server.

use std::sync::Arc;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::idempotency::KeyState;
use onramp_webhooks_redis::{RedisIdempotencyStore, RedisOptions};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::tools::{ask, begin, claim, done, end, kind, running};
use onramp_webhooks_suite::redis::{TestPrefix, url};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_connections_at_once_one_claims() {
    const MACHINES: usize = 16;
    let prefix = TestPrefix::new();
    let barrier = Arc::new(Barrier::new(MACHINES));
    let mut asking = JoinSet::new();
    for machine in 0..MACHINES {
        let (store, barrier) = (prefix.open().await, Arc::clone(&barrier));
        asking.spawn(async move {
            let mut claimed = Vec::new();
            for round in 0..40 {
                barrier.wait().await;
                let claim = claim(&round.to_string(), i64::try_from(machine).unwrap());
                if ask(&store, claim).await.unwrap() == KeyState::Claimed {
                    claimed.push(round);
                }
            }
            claimed
        });
    }
    let mut claimed: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
    claimed.sort_unstable();
    assert_eq!(claimed, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn prefixes_share_nothing() {
    let (one, other) = (TestPrefix::new(), TestPrefix::new());
    let (here, there) = (one.open().await, other.open().await);
    begin(&here, claim("A", 1)).await;
    begin(&there, claim("A", 2)).await;
    assert!(!end(&there, claim("A", 1), "created").await);
    assert!(end(&here, claim("A", 1), "created").await);
    assert_eq!(ask(&one.open().await, claim("A", 3)).await.unwrap(), done("created"));
    assert_eq!(ask(&there, claim("A", 3)).await.unwrap(), running());
}

#[tokio::test]
async fn a_plain_connection_will_do_and_a_bad_prefix_will_not() {
    let connection = redis::Client::open(url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let prefix = TestPrefix::new();
    let store = RedisOptions::new(connection.clone()).prefix(prefix.name()).open_idempotency_store().await.unwrap();
    begin(&store, claim("A", 1)).await;
    let options = RedisOptions::new(connection).prefix("{onramp}");
    assert_eq!(kind(options.open_idempotency_store().await), StoreErrorKind::Unusable);
}

/// The newer protocol has other forms for some answers.
#[tokio::test]
async fn either_protocol_will_do() {
    let prefix = TestPrefix::new();
    for (token, protocol) in [(1, "resp2"), (2, "resp3")] {
        let options = RedisOptions::connect(&format!("{}?protocol={protocol}", url())).await.unwrap();
        let store = options.prefix(prefix.name()).open_idempotency_store().await.unwrap();
        let claim = claim(protocol, token);
        begin(&store, claim).await;
        assert_eq!(ask(&store, claim).await.unwrap(), running());
        assert!(end(&store, claim, "created").await && !end(&store, claim, "created").await);
        assert_eq!(ask(&store, claim).await.unwrap(), done("created"));
    }
}

#[tokio::test]
async fn where_no_server_is_the_store_is_away_and_what_is_no_url_is_told() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(kind(RedisIdempotencyStore::connect(&format!("redis://{gone}/")).await), StoreErrorKind::Unavailable);
    assert_eq!(kind(RedisIdempotencyStore::connect("postgres://x").await), StoreErrorKind::Unusable);
}

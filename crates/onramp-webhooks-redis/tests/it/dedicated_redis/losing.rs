//! Lost connections, also at the worst moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use onramp_webhooks::idempotency::{IdempotencyStore, KeyState};
use onramp_webhooks_services::Redis;
use tokio::task::JoinSet;

use super::between::Between;
use crate::tools::{ask, begin, claim, done, end, open, renew, running};

/// Ends all connections of clients.
fn kill(server: &Redis) {
    server.command("CLIENT KILL TYPE normal").unwrap();
}

#[tokio::test]
async fn a_connection_that_is_killed_between_calls_fails_none() {
    let server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    kill(&server);
    begin(&store, claim("A", 1)).await;
    kill(&server);
    assert!(renew(&store, claim("A", 1)).await);
    kill(&server);
    assert!(end(&store, claim("A", 1), "created").await);
    kill(&server);
    assert_eq!(ask(&store, claim("A", 2)).await.unwrap(), done("created"));
    begin(&store, claim("B", 1)).await;
    kill(&server);
    assert!(store.release(claim("B", 1)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_claims_while_connections_are_killed() {
    const CALLERS: i64 = 16;
    let server = Redis::start().unwrap();
    let stores = [open(&server.url()).await, open(&server.url()).await];
    let claimed = Arc::new(AtomicUsize::new(0));
    let mut asking = JoinSet::new();
    for token in 0..CALLERS {
        let (store, claimed) = (stores[usize::try_from(token).unwrap() % stores.len()].clone(), Arc::clone(&claimed));
        asking.spawn(async move {
            for round in 0..100 {
                // A call that fails may have claimed, so it counts as one that did not hear of it.
                if matches!(ask(&store, claim(&round.to_string(), token)).await, Ok(KeyState::Claimed)) {
                    claimed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    while !asking.is_empty() {
        kill(&server);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(5), asking.join_next()).await;
    }
    let claimed = claimed.load(Ordering::Relaxed);
    assert!(claimed > 0 && claimed <= 100, "{claimed} claims of 100 keys");
}

#[tokio::test]
async fn what_happened_unheard_is_answered_as_if_it_had_been_heard() {
    let server = Redis::start().unwrap();
    let between = Between::new(&server).await;
    let store = open(&between.url()).await;
    // Now the server knows the scripts, and one answer is all that a call needs.
    begin(&store, claim("first", 1)).await;
    assert!(renew(&store, claim("first", 1)).await && end(&store, claim("first", 1), "created").await);

    between.swallow();
    assert_eq!(ask(&store, claim("A", 1)).await.unwrap(), KeyState::Claimed, "it is the caller's own claim");
    assert!(between.swallowed());
    assert_eq!(ask(&store, claim("A", 1)).await.unwrap(), running(), "a claim that was heard of is not given twice");
    between.swallow();
    assert_eq!(ask(&store, claim("A", 2)).await.unwrap(), running(), "somebody else's");
    between.swallow();
    assert!(renew(&store, claim("A", 1)).await);
    between.swallow();
    assert!(end(&store, claim("A", 1), "created").await);
    assert!(between.swallowed());
    assert!(!end(&store, claim("A", 1), "created").await);
    assert_eq!(ask(&store, claim("A", 3)).await.unwrap(), done("created"));
}

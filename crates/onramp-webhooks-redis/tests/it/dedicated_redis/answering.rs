//! A server that does not answer: calls fail in time, and succeed again when it is back.

use std::time::{Duration, Instant};

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyState};
use onramp_webhooks_redis::{RedisIdempotencyStore, RedisOptions};
use onramp_webhooks_services::Redis;

use crate::tools::{ask, begin, claim, end, kind, open, running, within};

#[tokio::test]
async fn a_server_that_was_stopped_is_found_again() {
    let mut server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    begin(&store, claim("A", 1)).await;
    for _ in 0..2 {
        server.stop().unwrap();
        for _ in 0..5 {
            let begun = Instant::now();
            assert_eq!(kind(ask(&store, claim("A", 2)).await), StoreErrorKind::Unavailable);
            assert!(begun.elapsed() < Duration::from_secs(4));
        }
        server.start_again().unwrap();
        let is_there = async || store.release(claim("nobody's", 1)).await.is_ok();
        within(Duration::from_secs(20), "the store has connected again", is_there).await;
    }
}

#[tokio::test]
async fn a_frozen_server_fails_calls_in_time_and_goes_on_where_it_was() {
    let server = Redis::start().unwrap();
    let store = RedisIdempotencyStore::connect(&server.url()).await.unwrap();
    begin(&store, claim("A", 1)).await;
    server.freeze().unwrap();
    let begun = Instant::now();
    let calls = tokio::join!(ask(&store, claim("B", 1)), store.release(claim("C", 1)));
    assert_eq!((kind(calls.0), kind(calls.1)), (StoreErrorKind::Unavailable, StoreErrorKind::Unavailable));
    let took = begun.elapsed();
    assert!((2..4).contains(&took.as_secs()), "{took:?}");
    server.thaw().unwrap();
    // The interrupted call happens now, and its release comes after it.
    assert!(store.release(claim("B", 1)).await.unwrap());
    begin(&store, claim("B", 2)).await;
    assert!(end(&store, claim("A", 1), "created").await);
}

#[tokio::test]
async fn the_time_limit_is_the_applications() {
    let server = Redis::start().unwrap();
    let options = RedisOptions::connect(&server.url()).await.unwrap().time_limit(Duration::from_millis(100));
    let store = options.open_idempotency_store().await.unwrap();
    server.freeze().unwrap();
    let begun = Instant::now();
    assert_eq!(kind(ask(&store, claim("A", 1)).await), StoreErrorKind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_server_that_is_frozen_while_a_store_is_opened_is_away() {
    let server = Redis::start().unwrap();
    server.freeze().unwrap();
    let begun = Instant::now();
    assert_eq!(kind(RedisIdempotencyStore::connect(&server.url()).await), StoreErrorKind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(8));
}

/// A middleware drops a call when it has waited too long.
#[tokio::test]
async fn a_call_that_is_dropped_may_have_happened_and_harms_no_other() {
    let server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    // A script that the server does not know is sent in a second step.
    begin(&store, claim("first", 1)).await;
    server.freeze().unwrap();
    tokio::time::timeout(Duration::from_millis(50), ask(&store, claim("A", 1))).await.unwrap_err();
    server.thaw().unwrap();
    assert_eq!(ask(&store, claim("A", 2)).await.unwrap(), running());
    assert_eq!(ask(&store, claim("B", 1)).await.unwrap(), KeyState::Claimed);
}

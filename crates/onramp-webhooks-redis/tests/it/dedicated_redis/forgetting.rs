//! Servers with and without persistence.

use onramp_webhooks::idempotency::{IdempotencyStore, KeyState};
use onramp_webhooks_redis::RedisIdempotencyStore;
use onramp_webhooks_services::{Redis, RedisOptions};

use crate::tools::{ask, begin, claim, done, end, open, renew, running};

/// The first request lost its key while it ran, and another has claimed it since.
async fn the_first_can_do_nothing(store: &RedisIdempotencyStore) {
    let (first, second) = (claim("A", 1), claim("A", 2));
    assert!(!renew(store, first).await);
    assert!(!end(store, first, "first").await);
    assert!(!store.release(first).await.unwrap());
    begin(store, second).await;
    assert!(!renew(store, first).await);
    assert!(!end(store, first, "first").await);
    assert!(!store.release(first).await.unwrap());
    assert_eq!(ask(store, first).await.unwrap(), running());
    assert!(end(store, second, "second").await);
    assert_eq!(ask(store, first).await.unwrap(), done("second"));
}

#[tokio::test]
async fn a_flush_while_a_request_runs_takes_its_key() {
    let server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    begin(&store, claim("A", 1)).await;
    server.flush().unwrap();
    the_first_can_do_nothing(&store).await;
}

#[tokio::test]
async fn without_a_file_a_restart_takes_the_key_of_a_request_that_runs() {
    let mut server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    begin(&store, claim("A", 1)).await;
    server.restart().unwrap();
    the_first_can_do_nothing(&open(&server.url()).await).await;
    // The scripts are gone as well.
    assert_eq!(ask(&store, claim("A", 3)).await.unwrap(), done("second"));
}

#[tokio::test]
async fn with_a_file_that_is_always_synced_a_crash_forgets_nothing() {
    let mut server = RedisOptions::new().append_only(true).start().unwrap();
    let store = open(&server.url()).await;
    begin(&store, claim("runs", 1)).await;
    begin(&store, claim("done", 1)).await;
    assert!(end(&store, claim("done", 1), "created").await);
    server.stop_immediate().unwrap();
    server.start_again().unwrap();
    let store = open(&server.url()).await;
    assert_eq!(ask(&store, claim("done", 2)).await.unwrap(), done("created"));
    assert_eq!(ask(&store, claim("runs", 2)).await.unwrap(), running());
    assert!(renew(&store, claim("runs", 1)).await);
    assert!(end(&store, claim("runs", 1), "late").await);
    server.command("SCRIPT FLUSH").unwrap();
    assert_eq!(ask(&store, claim("runs", 2)).await.unwrap(), done("late"));
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    let forget = || server.command("SCRIPT FLUSH").unwrap();
    forget();
    assert_eq!(ask(&store, claim("A", 1)).await.unwrap(), KeyState::Claimed);
    forget();
    assert!(renew(&store, claim("A", 1)).await);
    forget();
    assert!(end(&store, claim("A", 1), "created").await);
    forget();
    assert!(!store.release(claim("A", 1)).await.unwrap());
    assert_eq!(server.command("EXISTS nothing").unwrap(), "0");
}

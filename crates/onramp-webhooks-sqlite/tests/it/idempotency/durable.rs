//! Durability of claims and replies.

use std::sync::Arc;

use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks_sqlite::SqliteIdempotencyStore;
use tokio::task::JoinSet;

use super::tools::{ask, begin, claim, done, end, later, running, seen_by_others};
use crate::tools::{child, child_file, file, kill_after};

#[tokio::test]
async fn every_step_is_seen_by_others_at_once() {
    let (_folder, path) = file();
    let store = SqliteIdempotencyStore::open(&path).await.unwrap();
    for number in 1..=10 {
        let claim = claim(&format!("{number}"), number);
        begin(&store, claim).await;
        assert_eq!(seen_by_others(&path), (number, number - 1));
        assert!(end(&store, claim, "created").await);
        assert_eq!(seen_by_others(&path), (number, number));
    }
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let (_folder, path) = file();
    let store = SqliteIdempotencyStore::open(&path).await.unwrap();
    for key in ["done", "running", "released"] {
        begin(&store, claim(key, 1)).await;
    }
    assert!(end(&store, claim("done", 1), "created").await);
    assert!(store.release(claim("released", 1)).await.unwrap());
    drop(store);

    let store = SqliteIdempotencyStore::open(&path).await.unwrap();
    assert_eq!(ask(&store, claim("done", 2)).await.unwrap(), done("created"));
    assert_eq!(ask(&store, claim("running", 2)).await.unwrap(), running(), "a lease outlives its process");
    assert!(store.renew(claim("running", 1), later()).await.unwrap());
    assert!(end(&store, claim("running", 1), "created, too").await);
    begin(&store, claim("released", 2)).await;
}

/// The child prints every key once its reply is kept, and then dies without any goodbye.
#[test]
fn every_reply_that_was_kept_is_there_after_a_crash() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        runtime.block_on(async {
            let store = Arc::new(SqliteIdempotencyStore::open(&path).await.unwrap());
            let process = std::process::id();
            let mut tasks = JoinSet::new();
            for task in 0..64 {
                let store = Arc::clone(&store);
                tasks.spawn(async move {
                    for number in 0.. {
                        let key = format!("{process}-{task}-{number}");
                        begin(&*store, claim(&key, number)).await;
                        assert!(end(&*store, claim(&key, number), "created").await);
                        println!("kept {key}");
                    }
                });
            }
            tasks.join_next().await;
        });
    }
    let (_folder, path) = file();
    let mut kept = Vec::new();
    for _ in 0..3 {
        let child = child("idempotency::durable::every_reply_that_was_kept_is_there_after_a_crash", &path);
        kept.extend(kill_after(200, "kept ", child));
    }
    assert!(kept.len() >= 600);
    runtime.block_on(async {
        let store = SqliteIdempotencyStore::open(&path).await.unwrap();
        for key in kept {
            assert_eq!(ask(&store, claim(&key, -1)).await.unwrap(), done("created"), "{key}");
        }
    });
}

/// The child aborts right after its claim.
#[test]
fn a_claim_is_there_after_an_abort() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        runtime.block_on(async {
            begin(&SqliteIdempotencyStore::open(&path).await.unwrap(), claim("A", 1)).await;
            std::process::abort();
        });
    }
    let (_folder, path) = file();
    let status = child("idempotency::durable::a_claim_is_there_after_an_abort", &path).status().unwrap();
    assert!(!status.success());
    runtime.block_on(async {
        let store = SqliteIdempotencyStore::open(&path).await.unwrap();
        assert_eq!(ask(&store, claim("A", 2)).await.unwrap(), running());
        assert!(end(&store, claim("A", 1), "created").await);
    });
}

//! A server that refuses commands.

use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyState};
use onramp_webhooks_redis::RedisIdempotencyStore;
use onramp_webhooks_services::{Redis, RedisOptions};

use super::between::{Between, host_and_port};
use crate::tools::{KEEP, ask, begin, claim, done, end, fingerprint, kind, now, open, running, until, within};

#[tokio::test]
async fn a_full_server_claims_and_keeps_nothing_and_gives_up_keys() {
    let server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    for key in ["runs", "gives up", "done", "expired"] {
        begin(&store, claim(key, 1)).await;
    }
    assert!(end(&store, claim("done", 1), "created").await);
    server.command("CONFIG SET maxmemory 1").unwrap();
    assert_eq!(kind(ask(&store, claim("new", 1)).await), StoreErrorKind::Full);
    let later = now().after(KEEP);
    let again = store.claim(later, claim("expired", 2), fingerprint(), later.after(KEEP)).await;
    assert_eq!(kind(again), StoreErrorKind::Full);
    assert_eq!(kind(store.complete(claim("runs", 1), "created".into(), later).await), StoreErrorKind::Full);
    assert_eq!(kind(store.renew(claim("runs", 1), later).await), StoreErrorKind::Full);
    assert_eq!(ask(&store, claim("done", 2)).await.unwrap(), done("created"));
    assert_eq!(ask(&store, claim("runs", 2)).await.unwrap(), running());
    assert!(store.release(claim("gives up", 1)).await.unwrap());

    server.command("CONFIG SET maxmemory 0").unwrap();
    begin(&store, claim("new", 2)).await;
    assert_eq!(ask(&store, claim("expired", 3)).await.unwrap(), running(), "nothing of it was changed");
    assert!(end(&store, claim("runs", 1), "created").await);
}

/// Makes a server copy another one, and waits until it has a key that the other one has.
async fn copy(replica: &Redis, server: &Redis, key: &str) {
    replica.command(&format!("REPLICAOF {}", host_and_port(server).replace(':', " "))).unwrap();
    let exists = format!("EXISTS {key}");
    until("the key is copied", async || replica.command(&exists).ok().as_deref() == Some("1")).await;
}

#[tokio::test]
async fn a_replica_cannot_be_written() {
    let (server, replica) = (Redis::start().unwrap(), Redis::start().unwrap());
    begin(&open(&server.url()).await, claim("A", 1)).await;
    copy(&replica, &server, &format!("onramp:{}", claim("A", 1).key)).await;
    let store = open(&replica.url()).await;
    assert_eq!(ask(&store, claim("A", 2)).await.unwrap(), running());
    assert_eq!(kind(ask(&store, claim("new", 1)).await), StoreErrorKind::ReadOnly);
    assert_eq!(kind(store.release(claim("A", 1)).await), StoreErrorKind::ReadOnly);
}

/// As a failover does it where a name leads to the primary: the connection to the old one lives on.
#[tokio::test]
async fn a_server_that_has_become_a_replica_is_left_for_the_one_that_took_over() {
    let (old, new) = (Redis::start().unwrap(), Redis::start().unwrap());
    let between = Between::new(&old).await;
    let store = open(&between.url()).await;
    begin(&store, claim("A", 1)).await;
    copy(&new, &old, &format!("onramp:{}", claim("A", 1).key)).await;
    new.command("REPLICAOF NO ONE").unwrap();
    old.command(&format!("REPLICAOF {}", host_and_port(&new).replace(':', " "))).unwrap();
    assert_eq!(kind(ask(&store, claim("B", 1)).await), StoreErrorKind::ReadOnly);
    between.lead_to(&new);
    let is_claimed = async || ask(&store, claim("B", 1)).await.ok() == Some(KeyState::Claimed);
    within(Duration::from_secs(20), "the store finds the new one", is_claimed).await;
    assert!(end(&store, claim("A", 1), "created").await);
}

#[tokio::test]
async fn a_server_that_wants_replicas_it_does_not_have_is_away() {
    let server = RedisOptions::new().setting("min-replicas-to-write", 1).start().unwrap();
    let store = open(&server.url()).await;
    assert_eq!(kind(ask(&store, claim("A", 1)).await), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn whoever_is_not_let_in_has_no_store() {
    let server = RedisOptions::new().setting("requirepass", "secret").start().unwrap();
    let error = RedisIdempotencyStore::connect(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable, "{error}");
    let wrong = server.url().replace("redis://", "redis://:wrong@");
    let error = RedisIdempotencyStore::connect(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable, "{error}");
    assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    let right = server.url().replace("redis://", "redis://:secret@");
    begin(&open(&right).await, claim("A", 1)).await;
}

/// A user who may do what the documentation says, and nothing more.
#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let server = Redis::start().unwrap();
    let rights = "+eval +evalsha +hmget +hset +hdel +pexpire +del";
    server.command(&format!("ACL SETUSER shop on >secret resetkeys ~onramp:* -@all {rights}")).unwrap();
    let url = server.url().replace("redis://", "redis://shop:secret@");
    let store = open(&url).await;
    begin(&store, claim("A", 1)).await;
    assert!(store.renew(claim("A", 1), now().after(KEEP)).await.unwrap());
    assert!(end(&store, claim("A", 1), "created").await);
    begin(&store, claim("B", 1)).await;
    assert!(store.release(claim("B", 1)).await.unwrap());
    server.command("ACL SETUSER shop resetkeys ~other:*").unwrap();
    assert_eq!(kind(ask(&store, claim("C", 1)).await), StoreErrorKind::Unusable);
}

#[tokio::test]
async fn what_is_not_ours_under_our_key_is_told_and_left_alone() {
    let server = Redis::start().unwrap();
    let store = open(&server.url()).await;
    let key = format!("onramp:{}", claim("A", 1).key);
    server.command(&format!("SET {key} theirs")).unwrap();
    assert_eq!(kind(ask(&store, claim("A", 1)).await), StoreErrorKind::Unusable);
    assert_eq!(kind(store.release(claim("A", 1)).await), StoreErrorKind::Unusable);
    assert_eq!(server.command(&format!("STRLEN {key}")).unwrap(), "6");
    server.command(&format!("DEL {key}")).unwrap();
    let later = now().after(KEEP).as_millis();
    server.command(&format!("HSET {key} until {later} fingerprint short")).unwrap();
    assert_eq!(kind(ask(&store, claim("A", 1)).await), StoreErrorKind::Unusable);
    server.command(&format!("HDEL {key} fingerprint")).unwrap();
    assert_eq!(kind(ask(&store, claim("A", 1)).await), StoreErrorKind::Unusable);
    server.command(&format!("DEL {key}")).unwrap();
    assert_eq!(ask(&store, claim("A", 1)).await.unwrap(), KeyState::Claimed);
}

#[tokio::test]
async fn a_server_that_would_throw_keys_away_is_warned_about() {
    for (memory, policy, warnings) in [("0", "allkeys-lru", 0), ("50mb", "noeviction", 0), ("50mb", "volatile-ttl", 1)] {
        let server = RedisOptions::new().setting("maxmemory", memory).setting("maxmemory-policy", policy);
        let server = server.start().unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(log.reopen().unwrap());
        let guard = tracing::subscriber::set_default(subscriber.finish());
        drop(RedisIdempotencyStore::connect(&server.url()).await.unwrap());
        drop(guard);
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(log.lines().filter(|line| line.contains(policy)).count(), warnings, "{memory} {policy}: {log}");
    }
}

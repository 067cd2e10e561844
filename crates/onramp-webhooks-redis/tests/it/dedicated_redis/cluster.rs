//! A server that is a cluster, where every script may touch one slot only.

use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks_services::{Redis, RedisOptions};

use crate::tools::{ask, begin, claim, done, end, renew, until};

/// A cluster of one node, which has all slots.
async fn cluster() -> Redis {
    let server = RedisOptions::new().setting("cluster-enabled", "yes").start().unwrap();
    let slots: Vec<_> = (0..16_384).map(|slot: u16| slot.to_string()).collect();
    for slots in slots.chunks(4_096) {
        server.command(&format!("CLUSTER ADDSLOTS {}", slots.join(" "))).unwrap();
    }
    until("the cluster comes up", async || server.command("SET ready yes").is_ok()).await;
    server
}

#[tokio::test]
async fn every_operation_is_about_one_slot() {
    let server = cluster().await;
    let client = redis::cluster::ClusterClient::new(vec![server.url()]).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    let store = onramp_webhooks_redis::RedisIdempotencyStore::new(connection).await.unwrap();
    for key in ["A", "B", "C", "D"] {
        begin(&store, claim(key, 1)).await;
        assert!(renew(&store, claim(key, 1)).await);
    }
    for key in ["A", "B"] {
        assert!(end(&store, claim(key, 1), "created").await);
        assert_eq!(ask(&store, claim(key, 2)).await.unwrap(), done("created"));
    }
    assert!(store.release(claim("C", 1)).await.unwrap());
    server.command("SCRIPT FLUSH").unwrap();
    begin(&store, claim("C", 2)).await;
}

//! Files that were written by older versions.

use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::purchases::{PurchaseStatus, PurchaseStore};
use onramp_webhooks_sqlite::SqliteInbox;
use rusqlite::Connection;

use crate::idempotency::tools::{begin, claim};
use crate::tools::{file, purchase, record};

#[tokio::test]
async fn a_file_of_the_first_version_gets_the_rest_and_keeps_what_it_has() {
    let (_folder, path) = file();
    let old = Connection::open(&path).unwrap();
    old.execute_batch("CREATE TABLE onramp_schema (version INTEGER PRIMARY KEY) STRICT; INSERT INTO onramp_schema VALUES (1);")
        .unwrap();
    old.execute_batch(include_str!("../../src/db/migrations/0001_deliveries.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO onramp_deliveries (endpoint, provider, fingerprint, state, due_at, received_at)
         VALUES ('wert', 'wert', zeroblob(32), 0, 0, 0);
         INSERT INTO onramp_bodies VALUES (1, x'7b7d');",
    )
    .unwrap();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), 1);
    assert_eq!(record(&inbox, purchase()).await, 2);
    let store = inbox.idempotency_store();
    begin(&store, claim("A", 1)).await;
    assert!(store.release(claim("A", 1)).await.unwrap());
    assert_eq!(inbox.purchases().find(&"A".into()).await.unwrap(), PurchaseStatus::default());
}

//! Files that were written by older and newer versions.

use std::path::Path;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::idempotency::IdempotencyStore;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::purchases::{PurchaseStatus, PurchaseStore};
use onramp_webhooks::spill::SpillStore;
use onramp_webhooks_sqlite::{SqliteInbox, SqliteOptions, SqliteSpill};
use rusqlite::Connection;

use crate::idempotency::tools::{begin, claim as request};
use crate::tools::{claim, file, handled, new_inbox, now, purchase, record};

/// The version of this program.
const KNOWN: u32 = 7;

/// Returns the steps of this version, and then `later`.
fn known_and(later: &[(u32, u32)]) -> Vec<(u32, u32)> {
    (1..KNOWN).map(|version| (version, 1)).chain([(KNOWN, KNOWN)]).chain(later.iter().copied()).collect()
}

#[tokio::test]
async fn a_file_of_the_first_version_gets_the_rest_and_keeps_what_it_has() {
    let (_folder, path) = file();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE onramp_schema (version INTEGER PRIMARY KEY, oldest INTEGER NOT NULL) STRICT;
         INSERT INTO onramp_schema VALUES (1, 1);",
    )
    .unwrap();
    old.execute_batch(include_str!("../../src/db/migrations/0001_deliveries.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO onramp_deliveries (endpoint, provider, subject, discriminator, stage, fingerprint, state, due_at, received_at)
         VALUES ('wert', 'wert', 'wert/order/A', 'payment_started', 1, zeroblob(32), 0, 0, 0);
         INSERT INTO onramp_bodies VALUES (1, x'7b7d');",
    )
    .unwrap();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), 1);
    let mut next = purchase();
    (next.key, next.stage) = (Some(DedupKey::new("wert", "order", "A", "order_complete")), Some(OrderStage::FINAL));
    assert_eq!(record(&inbox, next).await, 2);
    let first = claim(&inbox, 10).await;
    assert_eq!(
        first.iter().map(|delivery| delivery.lease.id.as_i64()).collect::<Vec<_>>(),
        [1],
        "the next one of its order waits"
    );
    handled(&inbox, &first).await;
    handled(&inbox, &claim(&inbox, 10).await).await;
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 2);
    let store = inbox.idempotency_store();
    begin(&store, request("A", 1)).await;
    assert!(store.release(request("A", 1)).await.unwrap());
    assert_eq!(inbox.purchases().find(&"A".into()).await.unwrap(), PurchaseStatus::default());
}

/// Migrates a file as a program of the next version would, which adds a column to every table.
fn migrate_further(path: &Path, oldest: u32) {
    let file = Connection::open(path).unwrap();
    let mut tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'onramp%'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in &tables {
        file.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN later_{oldest} TEXT")).unwrap();
    }
    let next = format!(
        "CREATE TABLE onramp_later_{oldest} (id INTEGER PRIMARY KEY) STRICT;
         INSERT INTO {0} (version, oldest) SELECT max(version) + 1, {oldest} FROM {0}",
        tables[0]
    );
    file.execute_batch(&next).unwrap();
}

/// Returns the steps that a file has gone through.
fn steps(path: &Path) -> Vec<(u32, u32)> {
    let file = Connection::open(path).unwrap();
    let mut steps = file.prepare("SELECT version, oldest FROM onramp_schema ORDER BY version").unwrap();
    steps.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// As while several processes are updated, and after the update of one was reverted.
#[tokio::test]
async fn a_file_of_the_next_version_is_used_as_it_is() {
    let (_folder, path, running) = new_inbox().await;
    record(&running, purchase()).await;
    migrate_further(&path, KNOWN);
    record(&running, purchase()).await;
    let restarted = SqliteInbox::open(&path).await.unwrap();
    record(&restarted, purchase()).await;
    for inbox in [&restarted, &running, &restarted] {
        handled(inbox, &claim(inbox, 1).await).await;
    }
    assert_eq!(running.counts().await.unwrap().of(State::Handled), 3);
    let keys = restarted.idempotency_store();
    begin(&keys, request("A", 1)).await;
    assert!(keys.release(request("A", 1)).await.unwrap());
    restarted.purchases().release(&"A".into(), now()).await.unwrap();
    restarted.check().await.unwrap();
    assert_eq!(steps(&path), known_and(&[(KNOWN + 1, KNOWN)]));
}

#[tokio::test]
async fn a_file_for_newer_programs_is_refused_and_stays_as_it_is() {
    let (_folder, path, inbox) = new_inbox().await;
    drop(inbox);
    migrate_further(&path, KNOWN + 1);
    refused(&path).await;
    // What the step before the last one changed stays changed.
    migrate_further(&path, 1);
    refused(&path).await;
    assert_eq!(steps(&path), known_and(&[(KNOWN + 1, KNOWN + 1), (KNOWN + 2, 1)]));
}

async fn refused(path: &Path) {
    let error = SqliteInbox::open(path).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable);
    let text = error.to_string();
    let expected = format!("a program of version {} or newer, and this one has version {KNOWN}; update", KNOWN + 1);
    assert!(text.contains(&expected), "{text}");
}

#[tokio::test]
async fn a_delivery_that_an_older_version_settles_after_its_resolution_is_open_again() {
    let (_folder, path, inbox) = new_inbox().await;
    let id = record(&inbox, purchase()).await;
    let older = Connection::open(&path).unwrap();
    let dies =
        |at| format!("UPDATE onramp_deliveries SET state = 5, due_at = NULL, waits_at = NULL, settled_at = {at}, cause = 0");
    older.execute_batch(&dies(1_000)).unwrap();
    onramp_webhooks_suite::deliveries::an_older_version_reopens(&inbox, id, async || {
        older.execute_batch(&dies(3_000)).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_spill_of_the_next_version_is_used_unless_it_is_for_newer_programs() {
    let (_folder, path) = file();
    SqliteSpill::open(&path).await.unwrap().append(purchase()).await.unwrap();
    migrate_further(&path, 1);
    let spill = SqliteSpill::open(&path).await.unwrap();
    spill.append(purchase()).await.unwrap();
    let ids = spill.oldest(10, usize::MAX).await.unwrap().into_iter().map(|(id, _)| id).collect();
    spill.remove(ids).await.unwrap();
    assert_eq!(spill.counts().await.unwrap().waiting, 0);
    drop(spill);
    migrate_further(&path, 3);
    let error = SqliteSpill::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable);
    assert!(error.to_string().contains("version 3 or newer, and this one has version 1"), "{error}");
}

#[tokio::test]
async fn a_file_that_must_be_an_inbox_is_not_made_one() {
    let (folder, path) = file();
    let open = async || SqliteOptions::new(&path).must_exist().open().await;
    open().await.unwrap_err();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was created");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(open().await.unwrap_err().kind(), StoreErrorKind::Unusable);
    assert_eq!(std::fs::read(&path).unwrap(), before, "neither tables nor another journal mode");
    SqliteInbox::open(&path).await.unwrap().close().await.unwrap();
    open().await.unwrap();
    Connection::open(&path).unwrap().execute_batch("DELETE FROM onramp_schema WHERE version > 1").unwrap();
    assert_eq!(open().await.unwrap_err().kind(), StoreErrorKind::Unusable, "it would have to be migrated");
}

//! Durability of acknowledged deliveries.

use std::collections::HashSet;

use onramp_webhooks::inbox::{DeliveryId, Filter, Inbox, State};
use onramp_webhooks_sqlite::{SqliteInbox, rusqlite};
use onramp_webhooks_suite::deliveries::{LATER_STATE, a_later_state_waits_alone};

use crate::tools::{child, child_file, claim, file, handled, kill_after, new_inbox, purchase, record, seen_by_others};

#[tokio::test]
async fn an_acknowledged_delivery_is_seen_by_others_at_once() {
    let (_folder, path, inbox) = new_inbox().await;
    for number in 1..=20 {
        record(&inbox, purchase()).await;
        assert_eq!(seen_by_others(&path), number);
    }
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let (_folder, path, inbox) = new_inbox().await;
    for _ in 0..3 {
        record(&inbox, purchase()).await;
    }
    let claimed = claim(&inbox, 2).await;
    let (first, second) = claimed.split_at(1);
    handled(&inbox, first).await;
    let mut before = Vec::new();
    for id in 1..=3 {
        before.push(inbox.show(DeliveryId::from_i64(id)).await.unwrap().unwrap());
    }
    drop(inbox);

    let inbox = SqliteInbox::open(&path).await.unwrap();
    for before in before {
        let after = inbox.show(before.id).await.unwrap().unwrap();
        assert_eq!((after.state, after.key, after.body, after.due_at), (before.state, before.key, before.body, before.due_at));
    }
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.of(State::Handled), counts.of(State::Leased), counts.of(State::Pending)), (1, 1, 1));
    // A lease outlives its process.
    handled(&inbox, second).await;
}

/// The child prints the id of every delivery once it is acknowledged, and then dies without any goodbye.
#[test]
fn everything_acknowledged_is_there_after_a_crash() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        runtime.block_on(async {
            let inbox = std::sync::Arc::new(SqliteInbox::open(&path).await.unwrap());
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..64 {
                let inbox = std::sync::Arc::clone(&inbox);
                tasks.spawn(async move {
                    loop {
                        println!("acknowledged {}", record(&inbox, purchase()).await);
                    }
                });
            }
            tasks.join_next().await;
        });
    }
    let (_folder, path) = file();
    let mut acknowledged = Vec::new();
    for _ in 0..5 {
        let child = child("durable::everything_acknowledged_is_there_after_a_crash", &path);
        acknowledged.extend(kill_after(200, "acknowledged ", child));
    }
    assert!(acknowledged.len() >= 1_000);
    runtime.block_on(async {
        let inbox = SqliteInbox::open(&path).await.unwrap();
        let all = inbox.list(Filter::all().limit(usize::MAX)).await.unwrap().records;
        let there: HashSet<String> = all.iter().map(|record| record.id.to_string()).collect();
        let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains(*id)).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged deliveries are gone", lost.len(), acknowledged.len());
        assert_eq!(claim(&inbox, usize::MAX).await.len(), all.len(), "each with its body");
    });
}

/// The child aborts right after one acknowledgement.
#[test]
fn one_acknowledged_delivery_is_there_after_an_abort() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        runtime.block_on(async {
            let inbox = SqliteInbox::open(&path).await.unwrap();
            record(&inbox, purchase()).await;
            std::process::abort();
        });
    }
    let (_folder, path) = file();
    for number in 1..=3 {
        let status = child("durable::one_acknowledged_delivery_is_there_after_an_abort", &path).status().unwrap();
        assert!(!status.success());
        assert_eq!(seen_by_others(&path), number);
    }
}

#[tokio::test]
async fn a_state_of_a_later_version_waits_alone() {
    let (_folder, _, inbox) = new_inbox().await;
    let later = purchase();
    let id = record(&inbox, later.clone()).await;
    let set = move |connection: &rusqlite::Connection| {
        connection.execute("UPDATE onramp_deliveries SET state = ? WHERE id = ?", (LATER_STATE, id))
    };
    inbox.call(set).await.unwrap();
    a_later_state_waits_alone(&inbox, &later, id).await;
}

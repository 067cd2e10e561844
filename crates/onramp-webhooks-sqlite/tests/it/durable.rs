//! Durability of acknowledged deliveries.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use onramp_webhooks::inbox::{ClaimRequest, Inbox, Settled, Settlement, State};
use onramp_webhooks_sqlite::{SqliteInbox, rusqlite};
use onramp_webhooks_suite::deliveries::{LATER_STATE, a_later_state_waits_alone};

use crate::tools::{child, child_file, file, now, purchase, record, seen_by_others};

#[tokio::test]
async fn an_acknowledged_delivery_is_seen_by_others_at_once() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    for number in 1..=20 {
        record(&inbox, purchase()).await;
        assert_eq!(seen_by_others(&path), number);
    }
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    for _ in 0..3 {
        record(&inbox, purchase()).await;
    }
    let claims = inbox.claim(now(), ClaimRequest::new(2, std::time::Duration::from_secs(30))).await.unwrap();
    let [first, second] = [claims.deliveries[0].lease, claims.deliveries[1].lease];
    inbox.settle(now(), vec![Settlement::new(first, Settled::Handled)]).await.unwrap();
    let mut before = Vec::new();
    for id in 1..=3 {
        before.push(inbox.show(onramp_webhooks::inbox::DeliveryId::from_i64(id)).await.unwrap().unwrap());
    }
    drop(inbox);

    let inbox = SqliteInbox::open(&path).await.unwrap();
    for before in before {
        let after = inbox.show(before.id).await.unwrap().unwrap();
        assert_eq!((after.state, after.key, after.body, after.due_at), (before.state, before.key, before.body, before.due_at));
    }
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.of(State::Handled), counts.of(State::Leased), counts.of(State::Pending)), (1, 1, 1));
    assert_eq!(
        inbox.settle(now(), vec![Settlement::new(second, Settled::Handled)]).await.unwrap(),
        [],
        "a lease outlives its process"
    );
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
        let mut command = child("durable::everything_acknowledged_is_there_after_a_crash", &path);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut ids = lines.filter_map(|line| line.split_once("acknowledged ").map(|(_, id)| id.parse::<i64>().unwrap()));
        acknowledged.extend(ids.by_ref().take(200));
        process.kill().unwrap();
        process.wait().unwrap();
        // Lines that were printed before the kill were acknowledged, too.
        acknowledged.extend(ids);
    }
    assert!(acknowledged.len() >= 1_000);
    runtime.block_on(async {
        let inbox = SqliteInbox::open(&path).await.unwrap();
        let all = inbox.list(onramp_webhooks::inbox::Filter::all().limit(usize::MAX)).await.unwrap();
        let there: std::collections::HashSet<i64> = all.iter().map(|record| record.id.as_i64()).collect();
        let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains(id)).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged deliveries are gone", lost.len(), acknowledged.len());
        let claims = inbox.claim(now(), ClaimRequest::new(usize::MAX, std::time::Duration::from_secs(30))).await.unwrap();
        assert_eq!(claims.deliveries.len(), all.len(), "each with its body");
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
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let later = purchase();
    let id = record(&inbox, later.clone()).await;
    let set = move |connection: &rusqlite::Connection| {
        connection.execute("UPDATE onramp_deliveries SET state = ? WHERE id = ?", (LATER_STATE, id))
    };
    inbox.call(set).await.unwrap();
    a_later_state_waits_alone(&inbox, &later, id).await;
}

//! Log entries: each change once.

use onramp_webhooks::inbox::{Filter, Inbox, State};
use tracing::Level;

use super::harness::{HOUR, Harness};
use crate::faulty::InboxCall;
use crate::logs::Log;

/// Returns the changes of verdicts since the last call: level, endpoint, verdict, and whether the advice has the page of the provider.
fn changes(log: &Log) -> Vec<String> {
    let entries = log.take().into_iter().filter(|entry| !entry.field("verdict").is_empty());
    entries
        .map(|entry| {
            let page = if entry.field("advice").contains("https://partner.wert.io") { " with the page" } else { "" };
            format!("{} {} {}{page}", entry.level, entry.field("endpoint"), entry.field("verdict"))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_alarm_and_its_end_are_logged_once() {
    let (log, _listening) = Log::listen("watchdog", Level::INFO);
    let harness = Harness::new().await;
    harness.passes(24, 1).await;
    assert_eq!(changes(&log), [""; 0]);

    harness.passes(10, 0).await;
    assert_eq!(changes(&log), ["WARN wert silent with the page"]);
    harness.inbox.errors(InboxCall::Record, 30);
    harness.passes(10, 3).await;
    assert_eq!(changes(&log), ["WARN wert refusing with the page"]);
    harness.passes(10, 3).await;
    assert_eq!(changes(&log), ["INFO wert fine"]);

    harness.advance(HOUR * 100).await;
    assert_eq!(changes(&log).len(), 1);
    assert_eq!(harness.beside().await.wert.receiver.watch().len(), 3);
    assert_eq!(changes(&log), ["WARN wert silent with the page"], "another process logs it too");
}

#[tokio::test(start_paused = true)]
async fn purchases_in_quarantine_are_logged_as_such() {
    let (log, _listening) = Log::listen("watchdog", Level::INFO);
    let harness = Harness::new().await;
    harness.wert.post(harness.wert.unreadable()).await;
    harness.passes(1, 1).await;
    assert_eq!(changes(&log), ["ERROR wert attention"], "the provider is not suspected");
    let quarantined = harness.inbox.list(Filter::all().state(State::Quarantined)).await.unwrap().records.remove(0);
    harness.inbox.forget(quarantined.id).await.unwrap();
    harness.passes(1, 1).await;
    let entries = log.take();
    let ended = entries.iter().find(|entry| entry.field("verdict") == "fine").unwrap();
    assert_eq!(ended.message, "no purchases are in quarantine any more");
}

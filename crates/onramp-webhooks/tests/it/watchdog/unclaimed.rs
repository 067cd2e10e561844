//! Deliveries that wait because no worker runs.

use onramp_webhooks::inbox::{ClaimRequest, Inbox};
use tracing::Level;

use super::harness::{Harness, MINUTE};
use crate::faulty::InboxCall;
use crate::logs::Log;
use crate::worker::harness::{Remembering, end, rest};

const WARNING: &str = "deliveries have waited for a minute and no worker has claimed them: start a worker on this inbox";

/// Listens for warnings of the watchdog.
fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    Log::listen("watchdog", Level::WARN)
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_wait_a_minute_unclaimed_are_a_warning() {
    let (log, _listening) = listen();
    let harness = Harness::new().await;
    harness.posts(3).await;
    let first = harness.wert.kept().await.last().unwrap().id;
    harness.advance(MINUTE - std::time::Duration::from_millis(1)).await;
    assert_eq!(log.messages(), [""; 0]);
    harness.advance(std::time::Duration::from_millis(1)).await;
    let entries = log.take();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((entries[0].level, &*entries[0].message), (Level::WARN, WARNING));
    assert_eq!(entries[0].field("id"), first.to_string());
    for _ in 0..10 {
        harness.posts(1).await;
        harness.advance(MINUTE).await;
    }
    assert_eq!(log.messages(), [""; 0], "once is enough");
}

#[tokio::test(start_paused = true)]
async fn the_warning_comes_again_after_a_worker_was_seen_and_is_gone() {
    let (log, _listening) = listen();
    let harness = Harness::new().await;
    let receiver = &harness.wert.receiver;
    for _ in 0..2 {
        harness.posts(1).await;
        harness.advance(MINUTE).await;
        assert_eq!(log.messages(), [WARNING]);
        let worker = receiver.worker(Remembering::default()).spawn();
        worker.idle().await;
        end(worker).await;
        harness.advance(MINUTE).await;
    }
    assert_eq!(log.messages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_claims_in_time_is_enough_in_any_process() {
    let (log, _listening) = listen();
    let harness = Harness::new().await;
    for _ in 0..10 {
        harness.posts(3).await;
        // As another process claims.
        let claim = ClaimRequest::new(100, MINUTE * 60);
        assert_eq!(
            harness.inbox.claim(onramp_webhooks::clock::Clock::now(&harness.clock), claim).await.unwrap().deliveries.len(),
            3
        );
        harness.advance(MINUTE).await;
    }
    assert_eq!(log.messages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn unreadable_bodies_and_duplicates_wait_for_no_worker() {
    let (log, _listening) = listen();
    let harness = Harness::new().await;
    let purchase = harness.wert.purchase();
    harness.wert.post(purchase.clone()).await;
    let worker = harness.wert.receiver.worker(Remembering::default()).spawn();
    worker.idle().await;
    harness.advance(MINUTE).await;
    harness.wert.post(purchase).await;
    harness.wert.post("{").await;
    harness.wert.post(harness.wert.unreadable()).await;
    harness.advance(MINUTE * 5).await;
    assert_eq!(log.messages(), ["purchases are in quarantine"]);
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_cannot_be_read_is_asked_again() {
    let (log, _listening) = listen();
    let harness = Harness::new().await;
    harness.posts(1).await;
    harness.inbox.errors(InboxCall::Show, 1);
    harness.advance(MINUTE).await;
    rest().await;
    assert_eq!(log.messages(), [""; 0]);
    harness.advance(MINUTE).await;
    assert_eq!(log.messages(), [WARNING]);
}

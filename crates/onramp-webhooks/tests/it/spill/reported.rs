//! The spill in health checks and in the log.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::Inbox;
use onramp_webhooks_testkit::events::WertOrder;
use serde_json::{Value, json};
use tracing::Level;

use super::faulty_spill::SpillCall;
use super::harness::Harness;
use crate::logs::Log;

impl Harness {
    async fn report(&self) -> Value {
        let reply = self.receiver.health().await;
        let report: Value = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!((reply.status(), &report["healthy"], &report["error"]), (200, &json!(true), &Value::Null));
        report["spill"].clone()
    }
}

#[tokio::test(start_paused = true)]
async fn health_has_the_number_and_the_age_of_what_waits() {
    let harness = Harness::new().await;
    let nothing = json!({ "waiting": 0, "oldest_for": null, "open_for": null, "error": null });
    assert_eq!(harness.report().await, nothing);
    harness.primary.is_silent();
    harness.post(WertOrder::new().complete()).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    harness.post(WertOrder::new().complete()).await;
    let expected = json!({ "waiting": 2, "oldest_for": 91, "open_for": 90, "error": "unavailable" });
    assert_eq!(harness.report().await, expected);
    let shared: Arc<dyn Inbox> = Arc::new(harness.inbox.clone());
    assert_eq!(shared.spill_status().await.unwrap().map(|status| status.waiting), Some(2));
    harness.primary.recovers();
    harness.closes().await;
    assert_eq!(harness.report().await, nothing);
}

#[tokio::test(start_paused = true)]
async fn a_spill_that_cannot_be_read_is_reported_while_the_primary_records() {
    let harness = Harness::new().await;
    harness.spill.errors(SpillCall::Counts, usize::MAX);
    let unread = |error: &str| json!({ "waiting": null, "oldest_for": null, "open_for": null, "error": error });
    assert_eq!(harness.report().await, unread("full"));
    harness.spill.hangs(SpillCall::Counts);
    assert_eq!(harness.report().await, unread("unavailable"));
}

#[tokio::test(start_paused = true)]
async fn the_cause_is_repeated_every_minute_and_no_more() {
    let (log, _listening) = Log::listen("watchdog", Level::ERROR);
    let harness = Harness::with_an_outage().await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(log.messages(), [""; 0], "the breaker has just logged it");
    tokio::time::sleep(Duration::from_secs(546)).await;
    let entries = log.take();
    assert_eq!(entries.len(), 10, "{entries:?}");
    for (minute, entry) in (1..).zip(&entries) {
        assert_eq!(entry.message, "deliveries wait in the spill for the primary inbox");
        let said = [entry.field("waiting"), entry.field("age"), entry.field("error")];
        assert_eq!(said, ["1", &(minute * 60).to_string(), "test: the store is unavailable"]);
    }
    harness.primary.recovers();
    harness.closes().await;
    log.take();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(log.messages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_spill_that_cannot_be_read_is_logged() {
    let (log, _listening) = Log::listen("watchdog", Level::ERROR);
    let harness = Harness::new().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.spill.errors(SpillCall::Counts, usize::MAX);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(log.messages(), ["the spill cannot be read"]);
}

//! The health check.

use onramp_webhooks::Reply;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Filter, Inbox, State};
use onramp_webhooks::watchdog::Verdict;
use serde_json::{Value, json};
use tracing::Level;

use super::harness::{Harness, MINUTE, SILENT_AFTER};
use crate::faulty::InboxCall;
use crate::logs::Log;
use crate::tools::{Door, doors, header};
use crate::worker::harness::{Remembering, end};

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(reply.body()).unwrap()
}

impl Harness {
    async fn health(&self) -> Value {
        json(&self.wert.receiver.health().await)
    }
}

#[tokio::test(start_paused = true)]
async fn the_endpoints_are_reported_and_do_not_make_it_unhealthy() {
    let harness = Harness::new().await;
    harness.inbox.errors(InboxCall::Record, 3);
    harness.posts(3).await;
    let reply = harness.wert.receiver.health().await;
    let body = json(&reply);
    assert_eq!((reply.status(), header(&reply, "content-type")), (200, Some("application/json")));
    assert_eq!(body["healthy"], true);
    let wert = &body["endpoints"][0];
    assert!(wert["advice"].as_str().unwrap().contains("https://partner.wert.io"), "{wert}");
    let expected = json!({
        "name": "wert", "provider": "wert", "verdict": "refusing",
        "last_received": null, "silent_for": null, "silent_after": SILENT_AFTER.as_secs(),
        "answers": { "success": 0, "client_error": 0, "server_error": 3 }, "quarantined_purchases": 0,
        "refused_in_a_row": 3, "refused_last_day": 3, "unlisted": 0, "wrong_secrets": 0, "advice": wert["advice"],
    });
    assert_eq!(*wert, expected);
    assert_eq!(body["endpoints"].as_array().unwrap().len(), 3);
    assert_eq!(body["endpoints"][1]["silent_after"], Value::Null, "not configured");
    assert!(harness.watch("wert").to_string().starts_with("wert: refusing: The last 3 requests"));

    harness.posts(1).await;
    let body = harness.health().await;
    assert_eq!(body["endpoints"][0]["last_received"], 1_704_067_200);
    assert_eq!(body["endpoints"][0]["silent_for"], 0);
    assert!(!body.to_string().contains("s3cret-for-examples"));
}

/// The quarantine is read from the inbox, so that a restart forgets nothing and a replay ends the alarm.
#[tokio::test(start_paused = true)]
async fn a_purchase_in_quarantine_needs_attention_until_it_is_handled() {
    let harness = Harness::new().await;
    harness.wert.post(harness.wert.unreadable()).await;
    let attention = (Verdict::Attention, 1);
    let seen = |harness: &Harness| (harness.verdict(), harness.watch("wert").quarantined_purchases);
    assert_eq!(seen(&harness), attention);
    assert!(harness.watch("wert").advice.unwrap().contains("1 events that report purchases"));
    let restarted = harness.beside().await;
    assert_eq!(seen(&restarted), attention);
    let quarantined = harness.inbox.list(Filter::all().state(State::Quarantined)).await.unwrap().records.remove(0);
    harness.inbox.forget(quarantined.id).await.unwrap();
    harness.advance(MINUTE * 10).await;
    assert_eq!((seen(&harness), seen(&restarted)), ((Verdict::Fine, 0), (Verdict::Fine, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_purchase_in_quarantine_that_was_resolved_needs_no_attention() {
    let harness = Harness::new().await;
    harness.wert.post(harness.wert.unreadable()).await;
    let quarantined = harness.inbox.list(Filter::all().state(State::Quarantined)).await.unwrap().records.remove(0);
    harness.inbox.resolve(Timestamp::from_millis(0), quarantined.id, "credited by hand").await.unwrap();
    harness.advance(MINUTE * 10).await;
    assert_eq!((harness.verdict(), harness.watch("wert").quarantined_purchases), (Verdict::Fine, 0));
    assert_eq!(harness.health().await["counts"]["quarantined"], 0);
    harness.inbox.reopen(Timestamp::from_millis(0), quarantined.id).await.unwrap();
    harness.advance(MINUTE * 10).await;
    assert_eq!((harness.verdict(), harness.watch("wert").quarantined_purchases), (Verdict::Attention, 1));
}

#[tokio::test(start_paused = true)]
async fn purchases_in_quarantine_are_counted_once() {
    let (log, _listening) = Log::listen("record", Level::WARN);
    for door in doors() {
        let quarantined =
            async |door: &Door| json(&door.receiver.health().await)["endpoints"][0]["quarantined_purchases"].clone();
        door.post("{").await;
        if door.provider == "wert" {
            door.post(r#"{"type":"order_failed","order":7}"#).await;
        }
        assert_eq!(quarantined(&door).await, 0);
        assert!(log.take().iter().all(|entry| entry.level == Level::WARN));
        let body = door.unreadable();
        door.post(body.clone()).await;
        door.post(body).await;
        door.post(door.unreadable()).await;
        assert_eq!(quarantined(&door).await, 2, "the second copy is a duplicate");
        let entries = log.take();
        assert!(entries.len() == 3 && entries.iter().all(|entry| entry.level == Level::ERROR), "{entries:?}");
        assert!(entries[0].field("recorded").starts_with("New("), "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_counted_by_state() {
    let harness = Harness::new().await;
    let none = json!({
        "pending": 0, "leased": 0, "retrying": 0, "parked": 0, "dead": 0, "quarantined": 0, "conflict": 0,
        "unknown": 0,
    });
    assert_eq!(harness.health().await["counts"], none);
    harness.posts(2).await;
    harness.wert.post("{").await;
    let counts = &harness.health().await["counts"];
    assert_eq!((&counts["pending"], &counts["quarantined"], &counts["handled"]), (&json!(2), &json!(1), &Value::Null));
    let worker = harness.wert.receiver.worker(Remembering::default()).spawn();
    worker.idle().await;
    end(worker).await;
    let counts = &harness.health().await["counts"];
    assert_eq!((&counts["pending"], &counts["quarantined"], &counts["handled"]), (&json!(0), &json!(1), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_does_not_count_is_healthy_without_counts() {
    let harness = Harness::new().await;
    harness.posts(1).await;
    harness.inbox.errors(InboxCall::OpenCounts, 1);
    for _ in 0..2 {
        let reply = harness.wert.receiver.health().await;
        assert_eq!((reply.status(), &json(&reply)["counts"]), (200, &Value::Null));
        harness.inbox.hangs(InboxCall::OpenCounts);
    }
    harness.inbox.recovers();
    assert_eq!(harness.health().await["counts"]["pending"], 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_claim_of_a_worker_of_this_receiver_is_reported() {
    let harness = Harness::new().await;
    assert_eq!(harness.health().await["worker"], json!({ "last_claim": null, "running": 0, "silent": 0, "died": 0 }));
    harness.inbox.errors(InboxCall::Claim, 1);
    let worker = harness.wert.receiver.worker(Remembering::default()).spawn();
    harness.advance(std::time::Duration::ZERO).await;
    assert_eq!(harness.health().await["worker"]["last_claim"], Value::Null, "a claim that failed is none");
    harness.advance(std::time::Duration::from_secs(5)).await;
    assert_eq!(harness.health().await["worker"]["last_claim"], 1_704_067_205);
    harness.advance(std::time::Duration::from_secs(5)).await;
    assert_eq!(harness.health().await["worker"]["last_claim"], 1_704_067_210, "the worker looks every second");
    end(worker).await;
    harness.advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(harness.health().await["worker"]["last_claim"], 1_704_067_210);
    assert_eq!(harness.beside().await.health().await["worker"]["last_claim"], Value::Null, "another receiver has no worker");
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_cannot_write_is_unhealthy_and_the_reason_stays_here() {
    let harness = Harness::new().await;
    harness.inbox.errors(InboxCall::Check, 1);
    for _ in 0..2 {
        let reply = harness.wert.receiver.health().await;
        let body = json(&reply);
        assert_eq!((reply.status(), &body["healthy"], &body["counts"]), (503, &json!(false), &Value::Null));
        let names: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(names, ["counts", "endpoints", "error", "healthy", "spill", "worker"]);
        assert_eq!((&body["error"], &body["spill"]), (&json!("unavailable"), &Value::Null));
        harness.inbox.hangs(InboxCall::Check);
    }
}

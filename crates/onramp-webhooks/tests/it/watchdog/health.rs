//! The health check.

use serde_json::{Value, json};

use super::harness::Harness;
use crate::faulty::InboxCall;
use crate::tools::header;

#[tokio::test(start_paused = true)]
async fn the_endpoints_are_told_and_do_not_make_it_unhealthy() {
    let harness = Harness::new().await;
    harness.inbox.errors(InboxCall::Record, 3);
    harness.posts(3).await;
    let reply = harness.wert.receiver.health().await;
    let body: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!((reply.status(), header(&reply, "content-type")), (200, Some("application/json")));
    assert_eq!(body["healthy"], true);
    let wert = &body["endpoints"][0];
    assert!(wert["advice"].as_str().unwrap().contains("https://partner.wert.io"), "{wert}");
    let expected = json!({
        "name": "wert", "provider": "wert", "verdict": "refusing", "last_received": null, "silent_for": null, "silent_after": null,
        "answers": { "success": 0, "client_error": 0, "server_error": 3 },
        "refused_in_a_row": 3, "refused_last_day": 3, "unlisted": 0, "wrong_secrets": 0, "advice": wert["advice"],
    });
    assert_eq!(*wert, expected);
    assert_eq!(body["endpoints"].as_array().unwrap().len(), 3);
    assert!(harness.watch("wert").to_string().starts_with("wert: refusing: the last 3 requests"));

    harness.posts(1).await;
    let body: Value = serde_json::from_slice(harness.wert.receiver.health().await.body()).unwrap();
    assert_eq!(body["endpoints"][0]["last_received"], 1_704_067_200);
    assert_eq!(body["endpoints"][0]["silent_for"], 0);
    assert!(!body.to_string().contains("s3cret"));
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_cannot_write_is_unhealthy_and_the_reason_stays_here() {
    let harness = Harness::new().await;
    harness.inbox.errors(InboxCall::Check, 1);
    for _ in 0..2 {
        let reply = harness.wert.receiver.health().await;
        let body: Value = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!((reply.status(), &body["healthy"]), (503, &json!(false)));
        assert_eq!(body.as_object().unwrap().len(), 2);
        harness.inbox.hangs(InboxCall::Check);
    }
}

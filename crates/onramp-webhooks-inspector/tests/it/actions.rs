//! Changes by operators.

use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Filter, HistoryKind, MemoryInbox, Recorded, Settled, State, find_first};
use onramp_webhooks::{Inbox, StoreError, StoreErrorKind};
use onramp_webhooks_inspector::{Access, Inspector};
use onramp_webhooks_testkit::doubles::{Double, InboxCall, InboxDouble};

use crate::tools::{COMPLETE, TOKEN, Under, request};

async fn act(under: &Under, id: DeliveryId, action: &str, body: &str) -> crate::tools::Answer {
    under.post(TOKEN, &format!("/api/deliveries/{id}/{action}"), body).await
}

async fn state(under: &Under, id: DeliveryId) -> State {
    under.inbox.show(id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_dead_letter_is_replayed_and_can_be_replayed_once() {
    let under = Under::with_tokens();
    let id = under.dead(COMPLETE, "failed").await;
    let answer = act(&under, id, "replay", "{}").await;
    assert_eq!((answer.status(), answer.json()["result"].clone()), (200, "due".into()));
    assert_eq!(state(&under, id).await, State::Pending);
}

#[tokio::test]
async fn a_handled_delivery_runs_again_only_if_its_id_is_typed() {
    let under = Under::with_tokens();
    let id = under.settled(COMPLETE, Settled::Handled).await;
    act(&under, id, "replay", "{}").await.assert_problem(409);
    for body in [r#"{"even_handled":true}"#, r#"{"even_handled":true,"confirm":"0"}"#, r#"{"even_handled":true,"confirm":""}"#] {
        act(&under, id, "replay", body).await.assert_problem(400);
    }
    act(&under, id, "replay", &format!(r#"{{"even_conflict":true,"confirm":"{id}"}}"#)).await.assert_problem(409);
    assert_eq!(state(&under, id).await, State::Handled);
    assert_eq!(act(&under, id, "replay", &format!(r##"{{"even_handled":true,"confirm":" #{id} "}}"##)).await.status(), 200);
    assert_eq!(state(&under, id).await, State::Pending);
}

#[tokio::test]
async fn a_dead_letter_that_may_have_succeeded_runs_again_only_if_its_id_is_typed() {
    let under = Under::with_tokens();
    let id = under.settled(COMPLETE, Settled::Dead { cause: DeadCause::TransactionEnded, error: "committed".to_owned() }).await;
    let shown = under.get(TOKEN, &format!("/api/deliveries/{id}")).await.json();
    assert_eq!((&shown["unknown_result"], &shown["reason"]), (&true.into(), &"transaction".into()));
    act(&under, id, "replay", "{}").await.assert_problem(409);
    act(&under, id, "replay", r#"{"even_handled":true}"#).await.assert_problem(400);
    assert_eq!(state(&under, id).await, State::Dead);
    assert_eq!(act(&under, id, "replay", &format!(r#"{{"even_handled":true,"confirm":"{id}"}}"#)).await.status(), 200);
    assert_eq!(under.get(TOKEN, &format!("/api/deliveries/{id}")).await.json()["unknown_result"], false);
}

#[tokio::test]
async fn a_reveal_and_a_download_are_recorded_or_refused() {
    let under = Under::new(|builder| builder.authorize(|_| Access::Operator("ada".to_owned())));
    let id = under.dead(COMPLETE, "failed for shop-20418").await;
    let browser = [("content-type", "application/json"), ("x-onramp-inspector", "1"), ("origin", "https://shop.example")];
    let revealed = under.send(request("POST", &format!("/api/deliveries/{id}/reveal"), &browser, "{}")).await.json();
    let last = &revealed["history"][1];
    assert_eq!((&last["kind"], &last["text"], &last["times"]), (&"revealed".into(), &"ada".into(), &"1".into()));
    under.send(request("GET", &format!("/api/deliveries/{id}/body"), &[], "")).await;
    let entries = under.inbox.history(id).await.unwrap();
    assert_eq!((entries.len(), entries[1].kind, entries[1].times), (2, HistoryKind::Revealed, 2));

    let shown = under.send(request("GET", &format!("/api/deliveries/{id}"), &[], "")).await.json();
    assert_eq!(shown["history"][0]["kind"], "dead");
    assert_eq!(shown["history"][0]["text"], "failed for •••");
    assert_eq!(shown["history"][1]["text"], "ada");
}

/// An inbox that records no reveals.
#[derive(Debug)]
struct Unwritable(Arc<MemoryInbox>);

#[async_trait]
impl InboxDouble for Unwritable {
    fn inner(&self) -> &dyn Inbox {
        &*self.0
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        match call {
            InboxCall::Revealed => Err(StoreError::new(StoreErrorKind::ReadOnly, "reveal")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_revealed() {
    let under = Under::with_tokens();
    let id = under.dead(COMPLETE, "failed").await;
    let inspector = Inspector::builder(Double(Unwritable(Arc::clone(&under.inbox)))).token(TOKEN).build().unwrap();
    let under = Under { inspector, ..under };
    let (reveal, download) =
        (act(&under, id, "reveal", "{}").await, under.get(TOKEN, &format!("/api/deliveries/{id}/body")).await);
    reveal.assert_problem(503);
    download.assert_problem(503);
    assert!(!reveal.text().contains("shop-20418") && !download.text().contains("shop-20418"));
}

/// Records a delivery, and another one that contradicts it. Returns the id of the second.
async fn conflict(under: &Under) -> DeliveryId {
    let key = || Some(DedupKey::new("wert", "order", "1", "order_complete"));
    under.record_as("wert", COMPLETE, |delivery| delivery.key = key()).await;
    let mut second = onramp_webhooks::inbox::NewDelivery::new("wert", "wert", crate::tools::NOW, b"{}".to_vec().into());
    second.key = key();
    assert!(matches!(under.inbox.record(second).await.unwrap(), Recorded::Conflict { .. }));
    find_first(&*under.inbox, Filter::all().state(State::Conflict)).await.unwrap().unwrap().id
}

#[tokio::test]
async fn a_conflict_runs_only_if_its_id_is_typed() {
    let under = Under::with_tokens();
    let id = conflict(&under).await;
    act(&under, id, "replay", "{}").await.assert_problem(409);
    act(&under, id, "replay", r#"{"even_conflict":true}"#).await.assert_problem(400);
    assert_eq!(state(&under, id).await, State::Conflict);
    let answer = act(&under, id, "replay", &format!(r#"{{"even_conflict":true,"confirm":"{id}"}}"#)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[tokio::test]
async fn a_conflict_does_not_run_as_a_delivery_that_was_handled() {
    let under = Under::with_tokens();
    let id = conflict(&under).await;
    for (fields, status) in [(r#""even_handled":true"#, 409), (r#""even_handled":true,"even_conflict":true"#, 400)] {
        act(&under, id, "replay", &format!(r#"{{{fields},"confirm":"{id}"}}"#)).await.assert_problem(status);
        assert_eq!(state(&under, id).await, State::Conflict);
    }
}

#[tokio::test]
async fn a_quarantined_delivery_is_read_again() {
    let under = Under::with_tokens();
    let readable = under.quarantined(COMPLETE, "an older version could not read it").await;
    assert_eq!(act(&under, readable, "replay", "{}").await.json()["result"], "due");
    let unreadable = under.quarantined(b"{", "not JSON").await;
    let answer = act(&under, unreadable, "replay", "{}").await.json();
    assert_eq!(answer["result"], "still_unreadable");
    assert!(answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert_eq!(state(&under, unreadable).await, State::Quarantined);
}

#[tokio::test]
async fn a_delivery_is_resolved_with_a_note_and_opened_again() {
    let under = Under::with_tokens();
    let id = under.dead(COMPLETE, "failed").await;
    for note in ["", "  ", &"a".repeat(501)] {
        act(&under, id, "resolve", &format!(r#"{{"note":"{note}"}}"#)).await.assert_problem(400);
    }
    assert_eq!(act(&under, id, "resolve", r#"{"note":" paid by hand "}"#).await.status(), 200);
    let record = under.inbox.show(id).await.unwrap().unwrap();
    assert_eq!(record.resolution.as_deref(), Some("paid by hand"));
    assert_eq!(under.get(TOKEN, "/api/overview").await.json()["counts"]["dead"], "0");
    assert_eq!(act(&under, id, "reopen", "{}").await.status(), 200);
    assert_eq!(under.get(TOKEN, "/api/overview").await.json()["counts"]["dead"], "1");
    let pending = under.record(b"{}").await;
    act(&under, pending, "resolve", r#"{"note":"n"}"#).await.assert_problem(409);
}

#[tokio::test]
async fn a_delivery_is_forgotten_only_if_its_id_is_typed() {
    let under = Under::with_tokens();
    let id = under.dead(COMPLETE, "failed for shop-20418").await;
    for body in ["{}", r#"{"confirm":""}"#, r#"{"confirm":"12345"}"#] {
        act(&under, id, "forget", body).await.assert_problem(400);
    }
    assert!(under.inbox.show(id).await.unwrap().unwrap().body.is_some());
    assert_eq!(act(&under, id, "forget", &format!(r#"{{"confirm":"{id}"}}"#)).await.status(), 200);
    assert!(under.inbox.show(id).await.unwrap().unwrap().body.is_none());
    let shown = under.get(TOKEN, &format!("/api/deliveries/{id}")).await.json();
    assert_eq!((shown["body"]["lines"].clone(), shown["body"]["bytes"].clone()), (().into(), ().into()));
    act(&under, id, "replay", "{}").await.assert_problem(409);
}

#[tokio::test]
async fn personal_data_is_masked_until_it_is_revealed() {
    let under = Under::with_tokens();
    let id = under.dead(COMPLETE, "no customer shop-20418").await;
    for path in ["/api/deliveries".to_owned(), format!("/api/deliveries/{id}"), "/api/overview".to_owned()] {
        let shown = under.get(TOKEN, &path).await;
        assert!(shown.status() == 200 && !shown.text().contains("shop-20418"), "{}", shown.text());
        assert!(!shown.text().contains("bc1q"), "{}", shown.text());
    }
    let revealed = act(&under, id, "reveal", "{}").await;
    let shown = revealed.json();
    assert_eq!(shown["purchase"]["customer"], "shop-20418");
    assert_eq!(shown["note"], "no customer shop-20418");
    assert!(shown["body"]["lines"].to_string().contains("shop-20418"));
    assert_eq!(under.get(TOKEN, &format!("/api/deliveries/{id}/body")).await.text().as_bytes(), COMPLETE);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_shown_only_when_it_is_revealed() {
    let under = Under::with_tokens();
    let id = under.quarantined(b"name=\x00ada <b>", "not JSON").await;
    let shown = under.get(TOKEN, &format!("/api/deliveries/{id}")).await;
    assert!(!shown.text().contains("ada"), "{}", shown.text());
    assert!(act(&under, id, "reveal", "{}").await.text().contains("ada"));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_what_cannot_be_read_is_refused() {
    let under = Under::with_tokens();
    let id = under.record(COMPLETE).await;
    let missing = DeliveryId::from_i64(id.as_i64() + 1);
    for (action, body) in [("reveal", "{}"), ("replay", "{}"), ("resolve", r#"{"note":"n"}"#), ("reopen", "{}")] {
        act(&under, missing, action, body).await.assert_problem(404);
    }
    for path in ["/api/deliveries/x", "/api/deliveries/1e3", "/api/nothing", "/nothing", "//", "/api", "/api/deliveries/%ff"] {
        under.get(TOKEN, path).await.assert_problem(404);
    }
    for body in ["", "[]", "{", r#"{"unknown":1}"#, "null"] {
        act(&under, id, "replay", body).await.assert_problem(400);
    }
}

//! The table of replies, and the recorded deliveries.

use onramp_webhooks::inbox::State;

use super::faulty::Fault;
use super::harness::{BODY_LIMIT, Plan, Setup, WERT, until};
use crate::events::{Postback, WertOrder, wert_account, wert_test};

pub(super) async fn a_new_event_is_acknowledged_and_pending(setup: &Setup) {
    let harness = setup.harness().await;
    let (order, postback) = (WertOrder::new().complete(), Postback::new().json());
    harness.wert(&order).await.assert_received();
    harness.kriptomat(&postback).await.assert_received();
    assert_eq!(harness.states().await, [State::Pending, State::Pending]);
    assert_eq!(harness.bodies().await, [order.to_vec(), postback.to_vec()]);
}

pub(super) async fn a_duplicate_is_acknowledged_and_counted(setup: &Setup) {
    let harness = setup.harness().await;
    let (order, postback) = (WertOrder::new().complete(), Postback::new().json());
    for _ in 0..3 {
        harness.wert(&order).await.assert_received();
        harness.kriptomat(&postback).await.assert_received();
    }
    let recorded = harness.recorded().await;
    assert_eq!(recorded.iter().map(|record| record.duplicates).collect::<Vec<_>>(), [2, 2]);
}

pub(super) async fn a_conflict_is_acknowledged_and_kept(setup: &Setup) {
    let harness = setup.harness().await;
    let order = WertOrder::new();
    harness.wert(order.complete()).await.assert_received();
    harness.wert(order.fiat("9999.00", "USD").complete()).await.assert_received();
    let postback = Postback::new();
    harness.kriptomat(postback.json()).await.assert_received();
    harness.kriptomat(postback.with("fiat_amount", "9999.00").json()).await.assert_received();
    assert_eq!(harness.states().await, [State::Pending, State::Conflict, State::Pending, State::Conflict]);
}

pub(super) async fn an_unknown_type_is_pending(setup: &Setup) {
    let harness = setup.harness().await;
    harness.wert(wert_account("brand_new_type", "42")).await.assert_received();
    harness.wert(r#"{"type":"login","click_id":"42","brand":{"new":["field"]}}"#).await.assert_received();
    assert_eq!(harness.states().await, [State::Pending, State::Pending]);
}

pub(super) async fn an_unreadable_body_is_acknowledged_to_wert_and_refused_to_kriptomat(setup: &Setup) {
    let harness = setup.harness().await;
    harness.wert(WertOrder::new().with("quote_amount", "much").complete()).await.assert_received();
    harness.kriptomat(Postback::new().with("amount", "much").json()).await.assert_problem(400);
    assert_eq!(harness.states().await, [State::Quarantined, State::Quarantined]);
}

pub(super) async fn noise_is_acknowledged_to_wert_and_refused_to_kriptomat(setup: &Setup) {
    let harness = setup.harness().await;
    let deep = "[".repeat(10_000);
    let noise: [&[u8]; 7] = [b"", b"{", b"[]", b"null", b"\xff\xfe{}", b"not json", deep.as_bytes()];
    for body in noise {
        harness.wert(body).await.assert_received();
        harness.kriptomat(body).await.assert_problem(400);
    }
    assert_eq!(harness.states().await, [State::Quarantined; 14]);
    assert_eq!(
        harness.bodies().await.iter().step_by(2).map(Vec::as_slice).collect::<Vec<_>>(),
        noise,
        "the bodies are unchanged"
    );
}

pub(super) async fn a_body_over_the_limit_is_acknowledged_to_wert_and_refused_to_kriptomat(setup: &Setup) {
    let harness = setup.harness().await;
    let body = vec![b' '; BODY_LIMIT + 1];
    harness.wert(&body).await.assert_received();
    harness.kriptomat(&body).await.assert_problem(413);
    assert_eq!(harness.bodies().await.iter().map(Vec::len).collect::<Vec<_>>(), [BODY_LIMIT; 2]);
    assert_eq!(harness.states().await, [State::Quarantined, State::Quarantined]);
}

pub(super) async fn a_body_at_the_limit_is_read(setup: &Setup) {
    let harness = setup.harness().await;
    for mut body in [WertOrder::new().complete().to_vec(), WertOrder::new().complete().to_vec()] {
        body.resize(BODY_LIMIT, b' ');
        harness.wert(&body).await.assert_received();
    }
    assert_eq!(harness.states().await, [State::Pending, State::Pending]);
}

pub(super) async fn a_test_is_recorded_every_time(setup: &Setup) {
    let harness = setup.harness().await;
    let test = wert_test();
    for _ in 0..3 {
        harness.wert(&test).await.assert_received();
    }
    assert_eq!(harness.states().await, [State::Pending; 3]);
}

pub(super) async fn a_form_is_read(setup: &Setup) {
    let harness = setup.harness().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    harness.send("POST", "/webhooks/kriptomat", &form, Postback::new().form()).await.assert_received();
    assert_eq!(harness.states().await, [State::Pending]);
}

pub(super) async fn the_content_type_does_not_matter(setup: &Setup) {
    let harness = setup.harness().await;
    for content_type in
        ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "; =\u{fffd}"]
    {
        harness.send("POST", WERT, &[("content-type", content_type)], WertOrder::new().complete()).await.assert_received();
    }
    assert_eq!(harness.states().await, [State::Pending; 5]);
}

pub(super) async fn a_wrong_secret_finds_nothing(setup: &Setup) {
    let harness = setup.harness().await;
    for path in [
        "/wert",
        "/wert/",
        "/wert/wrong",
        "/wert/s3cret",
        "/wert/s3cret-for-examples/more",
        "/wert/S3CRET-FOR-EXAMPLES",
        "/kriptomat/any",
    ] {
        harness.post(&format!("/webhooks{path}"), "{}").await.assert_problem(404);
    }
    assert!(harness.recorded().await.is_empty());
}

pub(super) async fn other_methods_are_told_to_post(setup: &Setup) {
    let harness = setup.harness().await;
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
        let response = harness.send(method, WERT, &[], "").await;
        response.assert_problem(405);
        assert_eq!(response.header("allow"), Some("POST"), "{method}: {response:?}");
        harness.send(method, "/webhooks/wert/wrong", &[], "").await.assert_problem(404);
    }
    let head = harness.send("HEAD", WERT, &[], "").await;
    assert_eq!((head.status, head.header("allow")), (405, Some("POST")));
    assert!(harness.recorded().await.is_empty());
}

pub(super) async fn an_inbox_that_fails_asks_for_another_try(setup: &Setup) {
    let harness = setup.harness().await;
    harness.inbox_is(Fault::Errors);
    let order = WertOrder::new().complete();
    harness.wert(&order).await.assert_try_again();
    harness.kriptomat(Postback::new().json()).await.assert_try_again();
    harness.inbox_is(Fault::None);
    harness.wert(&order).await.assert_received();
    assert_eq!(harness.states().await, [State::Pending]);
}

pub(super) async fn an_inbox_slower_than_the_deadline_asks_for_another_try(setup: &Setup) {
    let harness = setup.harness_with(Plan { ack_deadline: std::time::Duration::from_millis(200), ..Plan::default() }).await;
    harness.inbox_is(Fault::Hangs);
    harness.wert(WertOrder::new().complete()).await.assert_try_again();
    harness.inbox_is(Fault::None);
    let order = WertOrder::new().complete();
    until!("the inbox responds in time", harness.wert(&order).await.status == 200);
}

pub(super) async fn a_hundred_copies_at_once_are_recorded_once(setup: &Setup) {
    let harness = setup.harness().await;
    let request = super::harness::request("POST", WERT, &[], &WertOrder::new().complete());
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(harness.connect_unheard().await);
    }
    for connection in &mut connections {
        connection.send(&request).await;
    }
    for connection in &mut connections {
        connection.answer().await.assert_received();
    }
    let recorded = harness.recorded().await;
    assert_eq!((recorded.len(), recorded[0].duplicates), (1, 99));
}

pub(super) async fn other_routes_are_left_alone(setup: &Setup) {
    let harness = setup.harness().await;
    let response = harness.send("GET", "/elsewhere", &[], "").await;
    assert_eq!((response.status, response.text()), (200, harness.site.elsewhere()));
    for path in ["/nowhere", "/webhooks/nowhere", "/webhooks/wertx/s3cret-for-examples", "/wert/s3cret-for-examples"] {
        let response = harness.connect_unheard_and_post(path).await;
        assert_eq!(response.status, 404, "{path}");
        assert_ne!(response.header("content-type"), Some("application/problem+json"), "{path} is not a route of the receiver");
    }
    assert!(harness.recorded().await.is_empty());
}

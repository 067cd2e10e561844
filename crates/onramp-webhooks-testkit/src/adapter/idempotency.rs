//! Idempotency at any route.

use std::time::Duration;

use super::faulty::Fault;
use super::harness::{BODY_LIMIT, Harness, Plan, Setup, head, request, until};
use super::site::REPLY_LIMIT;
use super::wire::{Connection, Response};
use crate::events::{WertOrder, wert_account, wert_test};

const ORDERS: &str = "/once/orders";

fn impatient() -> Plan {
    Plan { wait: Duration::ZERO, ..Plan::default() }
}

#[track_caller]
pub(super) fn assert_first(response: &Response, run: u32) {
    assert_eq!((response.status, response.text(), response.header("idempotent-replayed")), (201, &*format!("run {run}"), None));
}

#[track_caller]
pub(super) fn assert_replay(response: &Response, run: u32) {
    assert_eq!(
        (response.status, response.text(), response.header("idempotent-replayed")),
        (201, &*format!("run {run}"), Some("true"))
    );
}

pub(super) async fn a_success_is_replayed(setup: &Setup) {
    let harness = setup.harness().await;
    assert_first(&harness.once(ORDERS, "a", "{}").await, 1);
    assert_replay(&harness.once(ORDERS, "a", "{}").await, 1);
    assert_replay(&harness.once(ORDERS, "\"a\"", " { } ").await, 1);
    assert_first(&harness.once(ORDERS, "b", "{}").await, 2);
    let patched = harness.send("PATCH", ORDERS, &[("idempotency-key", "a")], "{}").await;
    assert_first(&patched, 3);
}

pub(super) async fn a_reply_without_a_body_is_replayed(setup: &Setup) {
    let harness = setup.harness().await;
    for replayed in [None, Some("true")] {
        let response = harness.once(ORDERS, "a", "do:nothing").await;
        assert_eq!((response.status, response.body.len(), response.header("idempotent-replayed")), (204, 0, replayed));
    }
}

/// The first response has all headers, and a replay only those that stay valid.
pub(super) async fn a_replay_sets_no_cookie(setup: &Setup) {
    let harness = setup.harness().await;
    let first = harness.once(ORDERS, "a", "do:headers").await;
    assert_eq!(
        ["content-type", "location", "set-cookie", "x-internal"].map(|name| first.header(name)),
        [Some("text/plain"), Some("/orders/1"), Some("session=ada"), Some("1")]
    );
    let replay = harness.once(ORDERS, "a", "do:headers").await;
    assert_eq!(
        ["content-type", "location", "set-cookie", "x-internal"].map(|name| replay.header(name)),
        [Some("text/plain"), Some("/orders/1"), None, None]
    );
}

pub(super) async fn what_is_no_success_runs_again(setup: &Setup) {
    let harness = setup.harness().await;
    for run in 1..=3 {
        let failed = harness.once(ORDERS, "a", "do:fail do:headers").await;
        assert_eq!(failed.header("x-internal"), Some("1"), "a failure is passed on with its headers");
        assert_eq!((failed.status, failed.text(), failed.header("idempotent-replayed")), (500, &*format!("run {run}"), None));
    }
    assert_first(&harness.once(ORDERS, "a", "another body").await, 4);
}

pub(super) async fn other_content_under_a_used_key_is_refused(setup: &Setup) {
    let harness = setup.harness().await;
    assert_first(&harness.once(ORDERS, "a", "{}").await, 1);
    harness.once(ORDERS, "a", "[]").await.assert_problem(422);
    harness.once(&format!("{ORDERS}?dry"), "a", "{}").await.assert_problem(422);
    assert_replay(&harness.once(ORDERS, "a", "{}").await, 1);
}

pub(super) async fn a_key_is_needed_and_has_to_be_one(setup: &Setup) {
    let harness = setup.harness().await;
    harness.post(ORDERS, "{}").await.assert_problem(400);
    for key in ["", "\"", "a b", "a,b", "\"a\"b", &"a".repeat(256)] {
        harness.once(ORDERS, key, "{}").await.assert_problem(400);
    }
    harness.send("POST", ORDERS, &[("idempotency-key", "a"), ("idempotency-key", "a")], "{}").await.assert_problem(400);
    assert_eq!(harness.runs(), 0);
}

pub(super) async fn other_methods_pass_untouched(setup: &Setup) {
    let harness = setup.harness().await;
    for (run, method) in (1..).zip(["GET", "PUT", "DELETE", "OPTIONS"]) {
        assert_first(&harness.send(method, ORDERS, &[], "{}").await, run);
    }
    assert_eq!(harness.send("HEAD", ORDERS, &[], "").await.status, 201);
    assert_eq!(harness.runs(), 5);
}

pub(super) async fn routes_never_share_a_key(setup: &Setup) {
    let harness = setup.harness().await;
    for (run, path) in (1..).zip([ORDERS, "/once/refunds", "/again/orders"]) {
        assert_first(&harness.once(path, "a", "{}").await, run);
    }
    for (run, path) in (1..).zip([ORDERS, "/once/refunds", "/again/orders"]) {
        assert_replay(&harness.once(path, "a", "{}").await, run);
    }
}

/// A proxy may send an absolute URL, and an empty query equals no query.
pub(super) async fn the_form_of_the_address_does_not_matter(setup: &Setup) {
    let harness = setup.harness().await;
    assert_first(&harness.once(ORDERS, "a", "{}").await, 1);
    for address in ["http://site/once/orders", "http://ada@other:1/once/orders?", "/once/orders?"] {
        assert_replay(&harness.once(address, "a", "{}").await, 1);
    }
    harness.once("http://site/once/orders?dry", "a", "{}").await.assert_problem(422);
    assert_first(&harness.once("http://site/once/refunds?a=%20", "a", "{}").await, 2);
    assert_replay(&harness.once("/once/refunds?a=%20", "a", "{}").await, 2);
}

pub(super) async fn users_never_share_a_key(setup: &Setup) {
    let harness = setup.harness().await;
    let user = |token| [("idempotency-key", "a"), ("authorization", token)];
    for (run, token) in (1..).zip(["Bearer ada", "Bearer bob"]) {
        assert_first(&harness.send("POST", ORDERS, &user(token), "{}").await, run);
    }
    assert_first(&harness.once(ORDERS, "a", "{}").await, 3);
    assert_replay(&harness.send("POST", ORDERS, &user("Bearer ada"), "{}").await, 1);
}

/// Starts a held run, and returns when it is running.
async fn held(harness: &Harness, path: &str, body: &[u8]) -> Connection {
    hold(harness, harness.connect().await, path, body).await
}

async fn hold(harness: &Harness, mut connection: Connection, path: &str, body: &[u8]) -> Connection {
    connection.send(request("POST", path, &[("idempotency-key", "a")], body)).await;
    harness.holds(1).await;
    connection
}

pub(super) async fn a_copy_waits_for_the_first(setup: &Setup) {
    let harness = setup.harness().await;
    let mut first = held(&harness, ORDERS, b"do:hold").await;
    let mut copy = harness.connect().await;
    copy.send(request("POST", ORDERS, &[("idempotency-key", "a")], b"do:hold")).await;
    harness.let_go();
    assert_first(&first.answer().await, 1);
    assert_replay(&copy.answer().await, 1);
}

pub(super) async fn a_copy_waits_no_longer_than_it_may(setup: &Setup) {
    let harness = setup.harness_with(impatient()).await;
    let mut first = held(&harness, ORDERS, b"do:hold").await;
    let copy = harness.once(ORDERS, "a", "do:hold").await;
    copy.assert_problem(409);
    assert!(copy.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{copy:?}");
    harness.once(ORDERS, "a", "another body").await.assert_problem(422);
    harness.let_go();
    assert_first(&first.answer().await, 1);
}

pub(super) async fn a_hundred_copies_at_once_run_once(setup: &Setup) {
    let harness = setup.harness().await;
    let request = request("POST", ORDERS, &[("idempotency-key", "a")], b"{}");
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(harness.connect_unheard().await);
    }
    for connection in &mut connections {
        connection.send(&request).await;
    }
    let mut firsts = 0;
    for connection in &mut connections {
        let response = connection.answer().await;
        assert_eq!((response.status, response.text()), (201, "run 1"));
        firsts += u32::from(response.header("idempotent-replayed").is_none());
    }
    assert_eq!((firsts, harness.runs()), (1, 1));
}

pub(super) async fn a_panic_releases_the_key(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    connection.send(request("POST", ORDERS, &[("idempotency-key", "a")], b"do:panic")).await;
    connection.closes().await;
    until_free(&harness).await;
    assert_eq!(harness.runs(), 2);
}

/// Returns when the key `a` is free. Until the server notices the lost connection, a request with other content is refused immediately.
async fn until_free(harness: &Harness) {
    let other = request("POST", ORDERS, &[("idempotency-key", "a")], b"another body");
    until!("the key is free", harness.connect_unheard_and_send(&other).await.status == 201);
}

pub(super) async fn a_client_that_goes_away_releases_the_key(setup: &Setup) {
    let harness = setup.harness().await;
    drop(hold(&harness, harness.connect_to_reset().await, ORDERS, b"do:hold").await);
    until_free(&harness).await;
    assert_eq!(harness.runs(), 2);
}

pub(super) async fn a_body_over_the_limit_does_not_run(setup: &Setup) {
    let harness = setup.harness().await;
    let body = vec![b' '; BODY_LIMIT + 1];
    harness.once(ORDERS, "a", &body).await.assert_problem(413);
    assert_eq!(harness.post("/event/wert", &body).await.status, 200);
    assert_eq!(harness.runs(), 0);
    assert_first(&harness.once(ORDERS, "a", &body[1..]).await, 1);
}

pub(super) async fn a_body_that_stops_does_not_run(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    connection.send(head("POST", ORDERS, &[("idempotency-key", "a")], "content-length: 10\r\n")).await;
    connection.answer().await.assert_problem(408);
    assert_eq!(harness.runs(), 0);
    assert_first(&harness.once(ORDERS, "a", "{}").await, 1);
}

pub(super) async fn the_route_gets_the_body_to_the_byte(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    let lines = [("idempotency-key", "a")];
    connection.send(head("POST", ORDERS, &lines, "transfer-encoding: chunked\r\n")).await;
    connection.send("3\r\ndo:\r\n4\r\nfail\r\n0\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 500);
}

/// The client gets the complete response, and a repeated request is refused.
pub(super) async fn a_reply_too_large_to_keep_is_not_replayed(setup: &Setup) {
    let harness = setup.harness().await;
    let first = harness.once(ORDERS, "a", "do:large").await;
    assert_eq!((first.status, first.body.len()), (201, REPLY_LIMIT * 4));
    harness.once(ORDERS, "a", "do:large").await.assert_problem(409);
    assert_eq!(harness.runs(), 1);
}

pub(super) async fn a_store_that_is_away_lets_nothing_run(setup: &Setup) {
    let harness = setup.harness().await;
    harness.idempotency_is(Fault::Errors);
    harness.once(ORDERS, "a", "{}").await.assert_try_again();
    harness.post("/event/wert", wert_account("login", "ada")).await.assert_try_again();
    assert_eq!(harness.runs(), 0);
    harness.idempotency_is(Fault::None);
    assert_first(&harness.once(ORDERS, "a", "{}").await, 1);
}

pub(super) async fn an_event_runs_once(setup: &Setup) {
    let harness = setup.harness().await;
    let order = WertOrder::new();
    for (run, body) in (1..).zip([order.payment_started(), order.complete(), WertOrder::new().complete(), "{".into()]) {
        assert_first(&harness.post("/event/wert", &body).await, run);
        assert_replay(&harness.post("/event/wert", &body).await, run);
    }
    for run in 5..=6 {
        assert_first(&harness.post("/event/wert", wert_test()).await, run);
    }
    assert_first(&harness.post("/event/sandbox", order.complete()).await, 7);
}

/// With any other status, Wert would not send the event again.
pub(super) async fn wert_gets_200_for_another_amount_and_503_for_a_running_copy(setup: &Setup) {
    let harness = setup.harness_with(impatient()).await;
    let order = WertOrder::new();
    assert_first(&harness.post("/event/wert", order.complete()).await, 1);
    harness.post("/event/wert", order.fiat("9999.00", "USD").complete()).await.assert_received();
    let holds = wert_account("login", "do:hold");
    let mut first = held(&harness, "/event/wert", &holds).await;
    assert_eq!(harness.post("/event/wert", &holds).await.status, 503, "its event is not stored anywhere yet");
    harness.let_go();
    assert_first(&first.answer().await, 2);
    assert_eq!(harness.runs(), 2);
}

/// If it were, nothing would be handled when the first one fails.
pub(super) async fn another_amount_of_a_running_event_is_not_acknowledged(setup: &Setup) {
    let harness = setup.harness_with(impatient()).await;
    let order = WertOrder::new().click_id("do:hold do:fail");
    let mut first = held(&harness, "/event/wert", &order.complete()).await;
    let other = order.click_id("ada").fiat("9999.00", "USD").complete();
    harness.post("/event/wert", &other).await.assert_try_again();
    harness.let_go();
    assert_eq!(first.answer().await.status, 500);
    assert_first(&harness.post("/event/wert", &other).await, 2);
}

//! Requests handled once, at any route.

use std::time::Duration;

use super::site::REPLY_LIMIT;
use super::stage::{BODY_LIMIT, Ground, Plan, Stage, head, request, until};
use super::stalling::Mood;
use super::wire::{Answer, Connection};
use crate::events::{WertOrder, wert_account, wert_test};

const ORDERS: &str = "/once/orders";

fn impatient() -> Plan {
    Plan { wait: Duration::ZERO, ..Plan::default() }
}

#[track_caller]
fn assert_first(answer: &Answer, run: u32) {
    assert_eq!((answer.status, answer.text(), answer.header("idempotent-replayed")), (201, &*format!("run {run}"), None));
}

#[track_caller]
fn assert_replay(answer: &Answer, run: u32) {
    assert_eq!((answer.status, answer.text(), answer.header("idempotent-replayed")), (201, &*format!("run {run}"), Some("true")));
}

pub(super) async fn a_success_is_replayed(ground: &Ground) {
    let stage = ground.stage().await;
    assert_first(&stage.once(ORDERS, "a", "{}").await, 1);
    assert_replay(&stage.once(ORDERS, "a", "{}").await, 1);
    assert_replay(&stage.once(ORDERS, "\"a\"", " { } ").await, 1);
    assert_first(&stage.once(ORDERS, "b", "{}").await, 2);
    let patched = stage.send("PATCH", ORDERS, &[("idempotency-key", "a")], "{}").await;
    assert_first(&patched, 3);
}

pub(super) async fn a_reply_without_a_body_is_replayed(ground: &Ground) {
    let stage = ground.stage().await;
    for replayed in [None, Some("true")] {
        let answer = stage.once(ORDERS, "a", "do:nothing").await;
        assert_eq!((answer.status, answer.body.len(), answer.header("idempotent-replayed")), (204, 0, replayed));
    }
}

/// The first client has all headers; whoever comes later has those that mean the same again.
pub(super) async fn a_replay_sets_no_cookie(ground: &Ground) {
    let stage = ground.stage().await;
    let first = stage.once(ORDERS, "a", "do:headers").await;
    assert_eq!(
        ["content-type", "location", "set-cookie", "x-internal"].map(|name| first.header(name)),
        [Some("text/plain"), Some("/orders/1"), Some("session=ada"), Some("1")]
    );
    let replay = stage.once(ORDERS, "a", "do:headers").await;
    assert_eq!(
        ["content-type", "location", "set-cookie", "x-internal"].map(|name| replay.header(name)),
        [Some("text/plain"), Some("/orders/1"), None, None]
    );
}

pub(super) async fn what_is_no_success_runs_again(ground: &Ground) {
    let stage = ground.stage().await;
    for run in 1..=3 {
        let failed = stage.once(ORDERS, "a", "do:fail").await;
        assert_eq!((failed.status, failed.text(), failed.header("idempotent-replayed")), (500, &*format!("run {run}"), None));
    }
    assert_first(&stage.once(ORDERS, "a", "another body").await, 4);
}

pub(super) async fn other_content_under_a_used_key_is_refused(ground: &Ground) {
    let stage = ground.stage().await;
    assert_first(&stage.once(ORDERS, "a", "{}").await, 1);
    stage.once(ORDERS, "a", "[]").await.assert_problem(422);
    stage.once(&format!("{ORDERS}?dry"), "a", "{}").await.assert_problem(422);
    assert_replay(&stage.once(ORDERS, "a", "{}").await, 1);
}

pub(super) async fn a_key_is_needed_and_has_to_be_one(ground: &Ground) {
    let stage = ground.stage().await;
    stage.post(ORDERS, "{}").await.assert_problem(400);
    for key in ["", "\"", "a b", "a,b", "\"a\"b", &"a".repeat(256)] {
        stage.once(ORDERS, key, "{}").await.assert_problem(400);
    }
    stage.send("POST", ORDERS, &[("idempotency-key", "a"), ("idempotency-key", "a")], "{}").await.assert_problem(400);
    assert_eq!(stage.runs(), 0);
}

pub(super) async fn other_methods_pass_untouched(ground: &Ground) {
    let stage = ground.stage().await;
    for (run, method) in (1..).zip(["GET", "PUT", "DELETE", "OPTIONS"]) {
        assert_first(&stage.send(method, ORDERS, &[], "{}").await, run);
    }
    assert_eq!(stage.send("HEAD", ORDERS, &[], "").await.status, 201);
    assert_eq!(stage.runs(), 5);
}

pub(super) async fn routes_never_share_a_key(ground: &Ground) {
    let stage = ground.stage().await;
    for (run, path) in (1..).zip([ORDERS, "/once/refunds", "/again/orders"]) {
        assert_first(&stage.once(path, "a", "{}").await, run);
    }
    for (run, path) in (1..).zip([ORDERS, "/once/refunds", "/again/orders"]) {
        assert_replay(&stage.once(path, "a", "{}").await, run);
    }
}

/// A proxy may send the whole address, and an empty query says nothing.
pub(super) async fn the_form_of_the_address_does_not_matter(ground: &Ground) {
    let stage = ground.stage().await;
    assert_first(&stage.once(ORDERS, "a", "{}").await, 1);
    for address in ["http://site/once/orders", "http://ada@other:1/once/orders?", "/once/orders?"] {
        assert_replay(&stage.once(address, "a", "{}").await, 1);
    }
    stage.once("http://site/once/orders?dry", "a", "{}").await.assert_problem(422);
    assert_first(&stage.once("http://site/once/refunds?a=%20", "a", "{}").await, 2);
    assert_replay(&stage.once("/once/refunds?a=%20", "a", "{}").await, 2);
}

pub(super) async fn users_never_share_a_key(ground: &Ground) {
    let stage = ground.stage().await;
    let user = |token| [("idempotency-key", "a"), ("authorization", token)];
    for (run, token) in (1..).zip(["Bearer ada", "Bearer bob"]) {
        assert_first(&stage.send("POST", ORDERS, &user(token), "{}").await, run);
    }
    assert_first(&stage.once(ORDERS, "a", "{}").await, 3);
    assert_replay(&stage.send("POST", ORDERS, &user("Bearer ada"), "{}").await, 1);
}

/// Sends to a run that holds, and returns once it runs.
async fn held(stage: &Stage, path: &str, body: &[u8]) -> Connection {
    hold(stage, stage.connect().await, path, body).await
}

async fn hold(stage: &Stage, mut connection: Connection, path: &str, body: &[u8]) -> Connection {
    connection.send(request("POST", path, &[("idempotency-key", "a")], body)).await;
    stage.holds(1).await;
    connection
}

pub(super) async fn a_copy_waits_for_the_first(ground: &Ground) {
    let stage = ground.stage().await;
    let mut first = held(&stage, ORDERS, b"do:hold").await;
    let mut copy = stage.connect().await;
    copy.send(request("POST", ORDERS, &[("idempotency-key", "a")], b"do:hold")).await;
    stage.let_go();
    assert_first(&first.answer().await, 1);
    assert_replay(&copy.answer().await, 1);
}

pub(super) async fn a_copy_waits_no_longer_than_it_may(ground: &Ground) {
    let stage = ground.stage_with(impatient()).await;
    let mut first = held(&stage, ORDERS, b"do:hold").await;
    let copy = stage.once(ORDERS, "a", "do:hold").await;
    copy.assert_problem(409);
    assert!(copy.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "{copy:?}");
    stage.once(ORDERS, "a", "another body").await.assert_problem(422);
    stage.let_go();
    assert_first(&first.answer().await, 1);
}

pub(super) async fn a_hundred_copies_at_once_run_once(ground: &Ground) {
    let stage = ground.stage().await;
    let request = request("POST", ORDERS, &[("idempotency-key", "a")], b"{}");
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(stage.connect_unheard().await);
    }
    for connection in &mut connections {
        connection.send(&request).await;
    }
    let mut firsts = 0;
    for connection in &mut connections {
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.text()), (201, "run 1"));
        firsts += u32::from(answer.header("idempotent-replayed").is_none());
    }
    assert_eq!((firsts, stage.runs()), (1, 1));
}

pub(super) async fn a_panic_releases_the_key(ground: &Ground) {
    let stage = ground.stage().await;
    let mut connection = stage.connect().await;
    connection.send(request("POST", ORDERS, &[("idempotency-key", "a")], b"do:panic")).await;
    connection.closes().await;
    until_free(&stage).await;
    assert_eq!(stage.runs(), 2);
}

/// Returns when the key `a` is free. Until the server notices, other content is refused at once.
async fn until_free(stage: &Stage) {
    let other = request("POST", ORDERS, &[("idempotency-key", "a")], b"another body");
    until!("the key is free", stage.connect_unheard_and_send(&other).await.status == 201);
}

pub(super) async fn a_client_that_goes_away_releases_the_key(ground: &Ground) {
    let stage = ground.stage().await;
    drop(hold(&stage, stage.connect_to_reset().await, ORDERS, b"do:hold").await);
    until_free(&stage).await;
    assert_eq!(stage.runs(), 2);
}

pub(super) async fn a_body_over_the_limit_does_not_run(ground: &Ground) {
    let stage = ground.stage().await;
    let body = vec![b' '; BODY_LIMIT + 1];
    stage.once(ORDERS, "a", &body).await.assert_problem(413);
    assert_eq!(stage.post("/event/wert", &body).await.status, 200);
    assert_eq!(stage.runs(), 0);
    assert_first(&stage.once(ORDERS, "a", &body[1..]).await, 1);
}

pub(super) async fn a_body_that_stops_does_not_run(ground: &Ground) {
    let stage = ground.stage().await;
    let mut connection = stage.connect().await;
    connection.send(head("POST", ORDERS, &[("idempotency-key", "a")], "content-length: 10\r\n")).await;
    connection.answer().await.assert_problem(408);
    assert_eq!(stage.runs(), 0);
    assert_first(&stage.once(ORDERS, "a", "{}").await, 1);
}

pub(super) async fn the_route_gets_the_body_to_the_byte(ground: &Ground) {
    let stage = ground.stage().await;
    let mut connection = stage.connect().await;
    let lines = [("idempotency-key", "a")];
    connection.send(head("POST", ORDERS, &lines, "transfer-encoding: chunked\r\n")).await;
    connection.send("3\r\ndo:\r\n4\r\nfail\r\n0\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 500);
}

/// It reaches its client whole, and a copy learns that it is done.
pub(super) async fn a_reply_too_large_to_keep_is_not_replayed(ground: &Ground) {
    let stage = ground.stage().await;
    let first = stage.once(ORDERS, "a", "do:large").await;
    assert_eq!((first.status, first.body.len()), (201, REPLY_LIMIT * 4));
    stage.once(ORDERS, "a", "do:large").await.assert_problem(409);
    assert_eq!(stage.runs(), 1);
}

pub(super) async fn a_store_that_is_away_lets_nothing_run(ground: &Ground) {
    let stage = ground.stage().await;
    stage.idempotency_is(Mood::Fails);
    stage.once(ORDERS, "a", "{}").await.assert_try_again();
    stage.post("/event/wert", wert_account("login", "ada")).await.assert_try_again();
    assert_eq!(stage.runs(), 0);
    stage.idempotency_is(Mood::Well);
    assert_first(&stage.once(ORDERS, "a", "{}").await, 1);
}

pub(super) async fn an_event_runs_once(ground: &Ground) {
    let stage = ground.stage().await;
    let order = WertOrder::new();
    for (run, body) in (1..).zip([order.payment_started(), order.complete(), WertOrder::new().complete(), "{".into()]) {
        assert_first(&stage.post("/event/wert", &body).await, run);
        assert_replay(&stage.post("/event/wert", &body).await, run);
    }
    for run in 5..=6 {
        assert_first(&stage.post("/event/wert", wert_test()).await, run);
    }
    assert_first(&stage.post("/event/sandbox", order.complete()).await, 7);
}

/// Any other answer would make Wert stop sending.
pub(super) async fn wert_is_told_200_where_others_are_refused(ground: &Ground) {
    let stage = ground.stage_with(impatient()).await;
    let order = WertOrder::new();
    assert_first(&stage.post("/event/wert", order.complete()).await, 1);
    stage.post("/event/wert", order.fiat("9999.00", "USD").complete()).await.assert_received();
    let holds = wert_account("login", "do:hold");
    let mut first = held(&stage, "/event/wert", &holds).await;
    stage.post("/event/wert", &holds).await.assert_received();
    stage.let_go();
    assert_first(&first.answer().await, 2);
    assert_eq!(stage.runs(), 2);
}

//! The `Idempotency-Key` header, by the sections of its draft. The docs of the parent module list them.

use std::time::Duration;

use onramp_webhooks::clock::{ManualClock, Timestamp};

use super::harness::{BODY_LIMIT, Plan, Setup, head, request};
use super::idempotency::{assert_first, assert_replay};
use super::wire::Response;

const ORDERS: &str = "/once/orders";

pub(super) async fn a_key_is_a_string_with_or_without_quotes(setup: &Setup) {
    let harness = setup.harness().await;
    let longest = "k".repeat(255);
    let quoted = format!("\"{longest}\"");
    for (run, (key, again)) in
        (1..).zip([("\"a\"", "a"), (r#""a \"b\" \\ c, d;e""#, r#""a \"b\" \\ c, d;e""#), (&quoted, &longest)])
    {
        assert_first(&harness.once(ORDERS, key, "{}").await, run);
        assert_replay(&harness.once(ORDERS, again, "{}").await, run);
    }
}

pub(super) async fn parameters_of_a_key_mean_nothing(setup: &Setup) {
    let harness = setup.harness().await;
    assert_first(&harness.once(ORDERS, "\"a\"", "{}").await, 1);
    for parameters in [";b", "; b=1;*c-d=?0", r#";b="x;y\"z";c=:YQ==:"#] {
        assert_replay(&harness.once(ORDERS, &format!("\"a\"{parameters}"), "{}").await, 1);
    }
}

pub(super) async fn other_values_are_no_keys(setup: &Setup) {
    let harness = setup.harness().await;
    let too_long = format!("\"{}\"", "k".repeat(256));
    for key in
        ["\"\"", "\"a", "\"a\" b", "\"a\", \"b\"", "(\"a\" \"b\")", "\"a\\b\"", "\"a\";B=1", "a;b", "ä", "\"ä\"", &too_long]
    {
        let refused = harness.once(ORDERS, key, "{}").await;
        refused.assert_problem(400);
    }
    harness.send("POST", ORDERS, &[("idempotency-key", "a"), ("Idempotency-Key", "b")], "{}").await.assert_problem(400);
    assert_eq!(harness.runs(), 0, "a key is checked before anything runs");
}

pub(super) async fn methods_that_are_idempotent_need_no_key(setup: &Setup) {
    let harness = setup.harness().await;
    for (run, method) in (1..).zip(["GET", "GET", "PUT", "PUT", "DELETE", "DELETE"]) {
        assert_first(&harness.send(method, ORDERS, &[("idempotency-key", "a")], "{}").await, run);
    }
}

pub(super) async fn a_key_expires(setup: &Setup) {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let harness = setup.harness_with(Plan { clock: Some(clock.clone()), ..Plan::default() }).await;
    let day = Duration::from_secs(24 * 3_600);
    assert_first(&harness.once(ORDERS, "a", "{}").await, 1);
    clock.advance(day - Duration::from_millis(1));
    assert_replay(&harness.once(ORDERS, "a", "{}").await, 1);
    clock.advance(Duration::from_millis(1));
    assert_first(&harness.once(ORDERS, "a", "[\"another payload\"]").await, 2);
}

pub(super) async fn payloads_are_compared_by_their_meaning(setup: &Setup) {
    let harness = setup.harness().await;
    assert_first(&harness.once(ORDERS, "json", r#"{"pay":1,"to":["ada"]}"#).await, 1);
    assert_replay(&harness.once(ORDERS, "json", r#" { "to" : [ "ada" ], "pay" : 1 } "#).await, 1);
    for other in [r#"{"pay":2,"to":["ada"]}"#, r#"{"pay":1,"to":["bob"]}"#, r#"{"pay":1}"#, ""] {
        harness.once(ORDERS, "json", other).await.assert_problem(422);
    }
    assert_first(&harness.once(ORDERS, "text", "pay 1 to ada").await, 2);
    harness.once(ORDERS, "text", "pay  1 to ada").await.assert_problem(422);
}

pub(super) async fn a_payload_is_the_same_in_chunks(setup: &Setup) {
    let harness = setup.harness().await;
    assert_first(&harness.once(ORDERS, "a", "{\"pay\":1}").await, 1);
    let mut connection = harness.connect().await;
    connection.send(head("POST", ORDERS, &[("idempotency-key", "a")], "transfer-encoding: chunked\r\n")).await;
    connection.send("4\r\n{\"pa\r\n5\r\ny\":1}\r\n0\r\n\r\n").await;
    assert_replay(&connection.answer().await, 1);
}

pub(super) async fn a_redirect_after_a_post_is_a_result(setup: &Setup) {
    let harness = setup.harness().await;
    for status in [301, 302, 303] {
        let (key, body) = (status.to_string(), format!("do:redirect {status}"));
        for replayed in [None, Some("true")] {
            let response = harness.once(ORDERS, &key, &body).await;
            let location = response.header("location");
            assert_eq!(
                (response.status, location, response.header("idempotent-replayed")),
                (status, Some("/orders/1"), replayed)
            );
        }
    }
    assert_eq!(harness.runs(), 3);
    for run in 4..=5 {
        assert_eq!(harness.once(ORDERS, "307", "do:redirect 307").await.status, 307, "the request has to be sent elsewhere");
        assert_eq!(harness.runs(), run);
    }
}

pub(super) async fn headers_of_a_result_are_replayed(setup: &Setup) {
    let harness = setup.harness().await;
    let names = ["access-control-allow-origin", "content-location", "etag", "location", "retry-after", "vary"];
    let first = harness.once(ORDERS, "a", "do:headers").await;
    assert!(names.iter().all(|name| first.header(name).is_some()), "{first:?}");
    let replay = harness.once(ORDERS, "a", "do:headers").await;
    assert_eq!(names.map(|name| replay.header(name)), names.map(|name| first.header(name)));
}

/// Its end would come too late, and it cannot be replayed.
pub(super) async fn a_stream_reaches_its_client_as_it_comes(setup: &Setup) {
    let harness = setup.harness().await;
    let mut first = harness.connect_unheard().await;
    first.send(request("POST", ORDERS, &[("idempotency-key", "a")], b"do:stream")).await;
    let begun = first.begins().await;
    assert_eq!((begun.status, begun.text()), (201, "run 1"));
    harness.once(ORDERS, "a", "do:stream").await.assert_problem(409);
    harness.let_go();
    assert_eq!(first.chunk().await, b"the end");
    assert_eq!(harness.runs(), 1);
}

pub(super) async fn problems_link_to_their_documentation(setup: &Setup) {
    let harness = setup.harness_with(Plan { wait: Duration::ZERO, ..Plan::default() }).await;
    let assert_links = |problem: &Response, status| {
        problem.assert_problem(status);
        let link = problem.json()["type"].as_str().map(str::to_owned);
        assert!(link.is_some_and(|link| link.starts_with("https://")), "{problem:?}");
    };
    assert_links(&harness.post(ORDERS, "{}").await, 400);
    assert_links(&harness.once(ORDERS, "", "{}").await, 400);
    assert_first(&harness.once(ORDERS, "done", "{}").await, 1);
    assert_links(&harness.once(ORDERS, "done", "[]").await, 422);
    let mut first = harness.connect().await;
    first.send(request("POST", ORDERS, &[("idempotency-key", "running")], b"do:hold")).await;
    harness.holds(1).await;
    assert_links(&harness.once(ORDERS, "running", "do:hold").await, 409);
    harness.let_go();
    assert_first(&first.answer().await, 2);
}

pub(super) async fn an_endless_payload_does_not_run(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    connection.send(head("POST", ORDERS, &[("idempotency-key", "a")], "transfer-encoding: chunked\r\n")).await;
    let chunk = [format!("{BODY_LIMIT:x}\r\n").as_bytes(), &vec![b' '; BODY_LIMIT], b"\r\n"].concat();
    // The reply may come before the last chunk is sent.
    for _ in 0..20 {
        if !connection.try_send(&chunk).await {
            break;
        }
    }
    connection.answer().await.assert_problem(413);
    assert_eq!(harness.runs(), 0);
}

pub(super) async fn an_upload_that_breaks_off_claims_nothing(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect_to_reset().await;
    let lines = [("idempotency-key", "a"), ("expect", "100-continue")];
    connection.send(head("POST", ORDERS, &lines, "content-length: 10\r\n")).await;
    assert_eq!(connection.answer().await.status, 100);
    connection.send("half").await;
    drop(connection);
    assert_first(&harness.once(ORDERS, "a", "{}").await, 1);
}

pub(super) async fn keys_belong_to_users(setup: &Setup) {
    let harness = setup.harness().await;
    let send = async |credentials: &str| {
        harness.send("POST", ORDERS, &[("idempotency-key", "a"), ("Authorization", credentials)], "{}").await
    };
    for (run, credentials) in (1..).zip(["Bearer ada", "Bearer Ada", "Basic ada", "Bearer"]) {
        assert_first(&send(credentials).await, run);
    }
    for credentials in ["Bearer ada", "bearer ada", "BEARER ada"] {
        assert_replay(&send(credentials).await, 1);
    }
    assert_first(&harness.once(ORDERS, "a", "{}").await, 5);
}

//! Variants of HTTP: connections, encodings, paths, limits and deadlines.

use std::time::Duration;

use onramp_webhooks::inbox::State;

use super::harness::{BODY_LIMIT, Plan, Setup, WERT, head, request, until};
use crate::events::{Postback, WertOrder};

fn event() -> Vec<u8> {
    WertOrder::new().complete().to_vec()
}

pub(super) async fn a_connection_serves_many_requests(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    for _ in 0..3 {
        connection.send(request("POST", WERT, &[], &event())).await;
        connection.answer().await.assert_received();
        connection.send(request("POST", "/webhooks/wert/wrong", &[], &event())).await;
        connection.answer().await.assert_problem(404);
        connection.send(request("POST", "/webhooks/kriptomat", &[], b"{")).await;
        connection.answer().await.assert_problem(400);
        connection.send(request("GET", WERT, &[], b"")).await;
        connection.answer().await.assert_problem(405);
    }
    assert_eq!(harness.states().await.iter().filter(|state| **state == State::Pending).count(), 3);
}

pub(super) async fn pipelined_requests_are_answered_in_order(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    let wrong = request("POST", "/webhooks/wert/wrong", &[], b"{}");
    connection.send([request("POST", WERT, &[], &event()), wrong, request("POST", WERT, &[], &event())].concat()).await;
    connection.answer().await.assert_received();
    connection.answer().await.assert_problem(404);
    connection.answer().await.assert_received();
    assert_eq!(harness.states().await, [State::Pending; 2]);
}

pub(super) async fn chunked_bodies_are_read(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    for size in [1, 7, 4_096] {
        let body = event();
        connection.send(head("POST", WERT, &[], "transfer-encoding: chunked\r\n")).await;
        for chunk in body.chunks(size) {
            connection.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()).await;
        }
        connection.send("0\r\n\r\n").await;
        connection.answer().await.assert_received();
        assert_eq!(harness.bodies().await.last(), Some(&body));
    }
    assert_eq!(harness.states().await, [State::Pending; 3]);
}

pub(super) async fn expect_100_continue_is_answered_first(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect_unheard().await;
    let body = event();
    let length = format!("content-length: {}\r\n", body.len());
    connection.send(head("POST", WERT, &[("expect", "100-continue")], &length)).await;
    assert_eq!(connection.answer().await.status, 100);
    connection.send(&body).await;
    connection.answer().await.assert_received();
    assert_eq!(harness.states().await, [State::Pending]);
}

pub(super) async fn a_slash_at_the_end_changes_nothing(setup: &Setup) {
    let harness = setup.harness().await;
    for path in [WERT.to_owned(), format!("{WERT}/")] {
        harness.post(&path, event()).await.assert_received();
    }
    for path in ["/webhooks/kriptomat", "/webhooks/kriptomat/"] {
        harness.post(path, Postback::new().json()).await.assert_received();
    }
    for path in [format!("{WERT}//"), "/webhooks/kriptomat//".to_owned()] {
        harness.post(&path, event()).await.assert_problem(404);
    }
    assert_eq!(harness.states().await, [State::Pending; 4]);
}

pub(super) async fn a_secret_is_found_however_it_is_encoded(setup: &Setup) {
    let harness = setup.harness().await;
    for secret in ["s3cret-for-examples", "%733cret-for-examples", "s3cret%2Dfor%2dexamples", "s3cret-for-example%73/"] {
        harness.post(&format!("/webhooks/wert/{secret}"), event()).await.assert_received();
    }
    for secret in [
        "s3cret%252Dfor-examples",
        "s3cret-for-examples%2F",
        "s3cret-for-examples%E9",
        "s3cret-for-examples%00",
        "s3cret+for-examples",
        "%",
        "%zz",
    ] {
        harness.post(&format!("/webhooks/wert/{secret}"), event()).await.assert_problem(404);
    }
    assert_eq!(harness.states().await, [State::Pending; 4]);
}

pub(super) async fn a_query_changes_nothing(setup: &Setup) {
    let harness = setup.harness().await;
    for query in ["?", "?a=b", "?/wert/wrong", "?%00"] {
        harness.post(&format!("{WERT}{query}"), event()).await.assert_received();
    }
    assert_eq!(harness.states().await, [State::Pending; 4]);
}

/// No content encoding is decoded. A body that can be read is an event, and any other body is quarantined until a version can decode it.
pub(super) async fn a_content_encoding_is_not_decoded(setup: &Setup) {
    const GZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
    let harness = setup.harness().await;
    for encoding in ["gzip", "deflate", "br", "zstd", "x-unheard-of"] {
        let headers = [("content-encoding", encoding)];
        harness.send("POST", WERT, &headers, GZIPPED).await.assert_received();
        let refused = harness.send("POST", "/webhooks/kriptomat", &headers, GZIPPED).await;
        refused.assert_problem(400);
        assert!(refused.text().contains(encoding), "{}", refused.text());
        harness.send("POST", WERT, &headers, event()).await.assert_received();
    }
    harness.send("POST", WERT, &[("content-encoding", "identity")], event()).await.assert_received();
    let bodies = harness.bodies().await;
    assert_eq!(bodies[0], GZIPPED, "the body is unchanged");
    let pending = harness.states().await.into_iter().filter(|state| *state == State::Pending);
    assert_eq!(pending.count(), 6);
}

pub(super) async fn a_client_that_goes_away_in_the_middle_leaves_nothing(setup: &Setup) {
    let harness = setup.harness().await;
    let body = event();
    let length = format!("content-length: {}\r\n", body.len());
    for begun in 0..4 {
        let mut connection = if begun % 2 == 0 { harness.connect_to_reset().await } else { harness.connect_unheard().await };
        connection.send(head("POST", WERT, &[("expect", "100-continue")], &length)).await;
        assert_eq!(connection.answer().await.status, 100);
        connection.send(&body[..body.len() * begun / 4]).await;
        drop(connection);
    }
    harness.wert(&body).await.assert_received();
    assert_eq!(harness.states().await, [State::Pending]);
}

pub(super) async fn a_body_slower_than_the_deadline_is_told_so(setup: &Setup) {
    let harness = setup.harness_with(Plan { ack_deadline: Duration::from_millis(400), ..Plan::default() }).await;
    for (path, length) in [(WERT, "content-length: 100\r\n"), ("/webhooks/kriptomat", "transfer-encoding: chunked\r\n")] {
        let mut connection = harness.connect().await;
        connection.send(head("POST", path, &[], length)).await;
        let response = connection.answer().await;
        response.assert_problem(408);
        assert_eq!(response.header("connection"), Some("close"), "the start of the next request is unknown");
    }
    assert!(harness.recorded().await.is_empty());
    let body = event();
    until!("a body in time is received", {
        harness.connect_unheard_and_send(&request("POST", WERT, &[], &body)).await.status == 200
    });
}

/// The response to a body over the limit is sent as soon as the excess is known, with or without a `content-length`.
pub(super) async fn a_limit_holds_with_and_without_a_length(setup: &Setup) {
    let harness = setup.harness().await;
    let body = vec![b' '; BODY_LIMIT * 2];
    for (path, status) in [(WERT, 200), ("/webhooks/kriptomat", 413)] {
        assert_eq!(harness.post(path, &body).await.status, status);
        let mut connection = harness.connect().await;
        connection.send(head("POST", path, &[], "transfer-encoding: chunked\r\n")).await;
        connection.send([format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()).await;
        assert_eq!(connection.answer().await.status, status);
    }
    assert!(harness.bodies().await.iter().all(|kept| kept.len() == BODY_LIMIT));
}

pub(super) async fn the_rest_of_a_large_body_does_not_spoil_the_connection(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    connection.send(request("POST", WERT, &[], &vec![b' '; BODY_LIMIT * 3])).await;
    connection.answer().await.assert_received();
    let body = event();
    connection.send(request("POST", WERT, &[], &body)).await;
    connection.answer().await.assert_received();
    assert_eq!(harness.bodies().await.last(), Some(&body));
}

pub(super) async fn names_of_headers_have_no_case_and_lines_may_repeat(setup: &Setup) {
    let harness = setup.harness().await;
    let encodings = [("Content-Encoding", "identity"), ("CONTENT-ENCODING", "x-unheard-of")];
    let response = harness.send("POST", "/webhooks/kriptomat", &encodings, "{").await;
    response.assert_problem(400);
    assert!(response.text().contains("x-unheard-of"), "the second line counts: {}", response.text());
}

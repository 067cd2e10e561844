//! Extractors of typed events, without an inbox.

use super::harness::{Harness, Setup, head, request};
use crate::events::{Postback, WertOrder, wert_account};

const WERT: &str = "/inline/wert";
const KRIPTOMAT: &str = "/inline/kriptomat";
/// The body limit of the extractors.
const LIMIT: usize = 1 << 20;

/// Returns the values that handlers got from the extractors, and asserts that nothing was recorded.
async fn seen(harness: &Harness) -> Vec<String> {
    assert!(harness.recorded().await.is_empty());
    harness.seen()
}

pub(super) async fn an_event_reaches_the_handler(setup: &Setup) {
    let harness = setup.harness().await;
    harness.post(WERT, WertOrder::new().click_id("ada").complete()).await.assert_received();
    harness.post(WERT, wert_account("brand_new_type", "bob")).await.assert_received();
    harness.post(KRIPTOMAT, Postback::new().with("amount", 0.5).json()).await.assert_received();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    harness.send("POST", KRIPTOMAT, &form, Postback::new().form()).await.assert_received();
    assert_eq!(seen(&harness).await, ["order_complete of ada", "brand_new_type of bob", "0.5 of eth", "0.0625 of eth"]);
}

pub(super) async fn what_wert_sends_is_never_refused(setup: &Setup) {
    let harness = setup.harness().await;
    let unreadable = r#"{"type":"order_complete","order":{"base":5}}"#;
    let bodies: [&[u8]; 6] = [b"", b"{", b"[]", b"null", b"\xff", unreadable.as_bytes()];
    for body in bodies {
        harness.post(WERT, body).await.assert_received();
        let seen = seen(&harness).await;
        assert!(seen.len() == 1 && seen[0].starts_with(&format!("{} bytes: ", body.len())), "{seen:?}");
    }
}

pub(super) async fn what_cannot_be_read_is_refused_to_kriptomat(setup: &Setup) {
    let harness = setup.harness().await;
    for body in ["", "{", "[]", "null", "{}", r#"{"uuid":1}"#] {
        harness.post(KRIPTOMAT, body).await.assert_problem(400);
    }
    assert!(seen(&harness).await.is_empty());
}

pub(super) async fn a_body_over_the_limit_is_cut_for_wert_and_refused_to_kriptomat(setup: &Setup) {
    let harness = setup.harness().await;
    let body = vec![b' '; LIMIT + 1];
    harness.post(WERT, &body).await.assert_received();
    harness.post(KRIPTOMAT, &body).await.assert_problem(413);
    let seen = seen(&harness).await;
    assert!(seen.len() == 1 && seen[0].starts_with(&format!("{LIMIT} bytes: cut: ")), "{seen:?}");
}

pub(super) async fn a_content_encoding_is_blamed(setup: &Setup) {
    let harness = setup.harness().await;
    let gzip = [("content-encoding", "gzip")];
    harness.send("POST", WERT, &gzip, "\u{1f}").await.assert_received();
    harness.send("POST", KRIPTOMAT, &gzip, "\u{1f}").await.assert_problem(400);
    harness.send("POST", WERT, &gzip, wert_account("login", "ada")).await.assert_received();
    assert_eq!(seen(&harness).await, [r#"1 bytes: content-encoding "gzip" is not supported"#, "login of ada"]);
}

pub(super) async fn a_body_that_stops_is_told_so(setup: &Setup) {
    let harness = setup.harness().await;
    let (mut wert, mut kriptomat) = (harness.connect().await, harness.connect().await);
    wert.send(head("POST", WERT, &[], "content-length: 10\r\n")).await;
    kriptomat.send(head("POST", KRIPTOMAT, &[], "content-length: 10\r\n")).await;
    wert.answer().await.assert_problem(408);
    kriptomat.answer().await.assert_problem(408);
    assert!(seen(&harness).await.is_empty());
}

/// The sender of the event does not get a success status, and other requests are served.
pub(super) async fn a_panic_in_the_handler_acknowledges_nothing(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect().await;
    connection.send(request("POST", WERT, &[], &wert_account("login", "do:panic"))).await;
    connection.closes().await;
    harness.post(WERT, wert_account("login", "ada")).await.assert_received();
    assert_eq!(seen(&harness).await, ["login of ada"]);
}

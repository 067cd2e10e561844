//! Extractors of typed events, without an inbox.

use super::stage::{Ground, Stage, head, request};
use crate::events::{Postback, WertOrder, wert_account};

const WERT: &str = "/inline/wert";
const KRIPTOMAT: &str = "/inline/kriptomat";
/// The extractors' own limit.
const LIMIT: usize = 1 << 20;

/// What the handler was given; nothing was recorded.
async fn seen(stage: &Stage) -> Vec<String> {
    assert!(stage.recorded().await.is_empty());
    stage.seen()
}

pub(super) async fn an_event_reaches_the_handler(ground: &Ground) {
    let stage = ground.stage().await;
    stage.post(WERT, WertOrder::new().click_id("ada").complete()).await.assert_received();
    stage.post(WERT, wert_account("brand_new_type", "bob")).await.assert_received();
    stage.post(KRIPTOMAT, Postback::new().with("amount", 0.5).json()).await.assert_received();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    stage.send("POST", KRIPTOMAT, &form, Postback::new().form()).await.assert_received();
    assert_eq!(seen(&stage).await, ["order_complete of ada", "brand_new_type of bob", "0.5 of eth", "0.0625 of eth"]);
}

pub(super) async fn what_wert_sends_is_never_refused(ground: &Ground) {
    let stage = ground.stage().await;
    let misfit = r#"{"type":"order_complete","order":{"base":5}}"#;
    let bodies: [&[u8]; 6] = [b"", b"{", b"[]", b"null", b"\xff", misfit.as_bytes()];
    for body in bodies {
        stage.post(WERT, body).await.assert_received();
        let seen = seen(&stage).await;
        assert!(seen.len() == 1 && seen[0].starts_with(&format!("{} bytes: ", body.len())), "{seen:?}");
    }
}

pub(super) async fn what_cannot_be_read_is_refused_to_kriptomat(ground: &Ground) {
    let stage = ground.stage().await;
    for body in ["", "{", "[]", "null", "{}", r#"{"uuid":1}"#] {
        stage.post(KRIPTOMAT, body).await.assert_problem(400);
    }
    assert!(seen(&stage).await.is_empty());
}

pub(super) async fn a_body_over_the_limit_is_cut_for_wert_and_refused_to_kriptomat(ground: &Ground) {
    let stage = ground.stage().await;
    let body = vec![b' '; LIMIT + 1];
    stage.post(WERT, &body).await.assert_received();
    stage.post(KRIPTOMAT, &body).await.assert_problem(413);
    let seen = seen(&stage).await;
    assert!(seen.len() == 1 && seen[0].starts_with(&format!("{LIMIT} bytes: cut: ")), "{seen:?}");
}

pub(super) async fn a_content_encoding_is_blamed(ground: &Ground) {
    let stage = ground.stage().await;
    let gzip = [("content-encoding", "gzip")];
    stage.send("POST", WERT, &gzip, "\u{1f}").await.assert_received();
    stage.send("POST", KRIPTOMAT, &gzip, "\u{1f}").await.assert_problem(400);
    stage.send("POST", WERT, &gzip, wert_account("login", "ada")).await.assert_received();
    assert_eq!(seen(&stage).await, [r#"1 bytes: content-encoding "gzip" is not supported"#, "login of ada"]);
}

pub(super) async fn a_body_that_stops_is_told_so(ground: &Ground) {
    let stage = ground.stage().await;
    let (mut wert, mut kriptomat) = (stage.connect().await, stage.connect().await);
    wert.send(head("POST", WERT, &[], "content-length: 10\r\n")).await;
    kriptomat.send(head("POST", KRIPTOMAT, &[], "content-length: 10\r\n")).await;
    wert.answer().await.assert_problem(408);
    kriptomat.answer().await.assert_problem(408);
    assert!(seen(&stage).await.is_empty());
}

/// Whoever sent the event gets no success, and everybody else is served.
pub(super) async fn a_panic_in_the_handler_acknowledges_nothing(ground: &Ground) {
    let stage = ground.stage().await;
    let mut connection = stage.connect().await;
    connection.send(request("POST", WERT, &[], &wert_account("login", "do:panic"))).await;
    connection.closes().await;
    stage.post(WERT, wert_account("login", "ada")).await.assert_received();
    assert_eq!(seen(&stage).await, ["login of ada"]);
}

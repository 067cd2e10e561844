//! A graceful shutdown.

use onramp_webhooks::inbox::State;

use super::stage::{Ground, WERT, head, request, until};
use crate::events::WertOrder;

/// The request that was begun before gets its answer, although nobody else is let in.
pub(super) async fn a_request_in_flight_is_finished(ground: &Ground) {
    let stage = ground.stage().await;
    let body = WertOrder::new().complete();
    let length = format!("content-length: {}\r\n", body.len());
    let mut connection = stage.connect_unheard().await;
    connection.send(head("POST", WERT, &[("expect", "100-continue")], &length)).await;
    assert_eq!(connection.answer().await.status, 100);
    connection.send(&body[..20]).await;
    stage.stop();
    until!("nobody is let in", !stage.lets_in().await);
    connection.send(&body[20..]).await;
    connection.answer().await.assert_received();
    assert_eq!(stage.states().await, [State::Pending]);
    stage.ended().await;
}

pub(super) async fn a_run_in_flight_is_finished_and_kept(ground: &Ground) {
    let stage = ground.stage().await;
    let mut connection = stage.connect_unheard().await;
    connection.send(request("POST", "/once/orders", &[("idempotency-key", "a")], b"do:hold")).await;
    stage.holds(1).await;
    stage.stop();
    until!("nobody is let in", !stage.lets_in().await);
    stage.let_go();
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.text()), (201, "run 1"));
    stage.ended().await;
}

pub(super) async fn an_idle_connection_holds_nothing_up(ground: &Ground) {
    let stage = ground.stage().await;
    let mut connection = stage.connect_unheard().await;
    connection.send(request("POST", WERT, &[], &WertOrder::new().complete())).await;
    connection.answer().await.assert_received();
    stage.stop();
    stage.ended().await;
    connection.closes().await;
}

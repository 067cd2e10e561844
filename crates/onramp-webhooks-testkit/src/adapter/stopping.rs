//! A graceful shutdown.

use onramp_webhooks::inbox::State;

use super::harness::{Setup, WERT, head, request, until};
use crate::events::WertOrder;

/// A request in flight gets its response while new connections are refused.
pub(super) async fn a_request_in_flight_is_finished(setup: &Setup) {
    let harness = setup.harness().await;
    let body = WertOrder::new().complete();
    let length = format!("content-length: {}\r\n", body.len());
    let mut connection = harness.connect_unheard().await;
    connection.send(head("POST", WERT, &[("expect", "100-continue")], &length)).await;
    assert_eq!(connection.answer().await.status, 100);
    connection.send(&body[..20]).await;
    harness.stop();
    until!("new connections are refused", !harness.lets_in().await);
    connection.send(&body[20..]).await;
    connection.answer().await.assert_received();
    assert_eq!(harness.states().await, [State::Pending]);
    harness.ended().await;
}

pub(super) async fn a_run_in_flight_is_finished_and_kept(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect_unheard().await;
    connection.send(request("POST", "/once/orders", &[("idempotency-key", "a")], b"do:hold")).await;
    harness.holds(1).await;
    harness.stop();
    until!("new connections are refused", !harness.lets_in().await);
    harness.let_go();
    let response = connection.answer().await;
    assert_eq!((response.status, response.text()), (201, "run 1"));
    harness.ended().await;
}

pub(super) async fn an_idle_connection_holds_nothing_up(setup: &Setup) {
    let harness = setup.harness().await;
    let mut connection = harness.connect_unheard().await;
    connection.send(request("POST", WERT, &[], &WertOrder::new().complete())).await;
    connection.answer().await.assert_received();
    harness.stop();
    harness.ended().await;
    connection.closes().await;
}

//! What Wert knows, against what the inbox received.

use std::sync::Arc;

use onramp_webhooks_client::wert::{Finding, OrdersQuery, Position, ReconcileError, Reconciliation};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};
use serde_json::json;

use super::inbox::Readable;
use super::tools::wert;

fn reconcile(provider: &FakeProvider, inbox: &Readable, position: Position) -> Reconciliation {
    let query = OrdersQuery::new().oldest_first();
    wert(provider).build().unwrap().reconcile(query, Arc::new(inbox.clone()), "wert", position)
}

async fn findings(mut reconciliation: Reconciliation) -> Vec<Finding> {
    let mut found = Vec::new();
    while let Some(page) = reconciliation.next_page().await.unwrap() {
        found.extend(page);
    }
    found
}

#[tokio::test]
async fn what_is_missing_and_what_differs_is_found_and_nothing_else() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::new());
    let orders: Vec<_> = (0..50).map(|_| WertOrder::new()).collect();
    for (number, order) in orders.iter().enumerate() {
        let (status, events) = match number % 5 {
            0 => ("success", vec![order.payment_started(), order.complete()]),
            1 => ("success", vec![order.payment_started(), order.transfer_started()]),
            2 => ("failed", vec![order.complete()]),
            3 => ("pending", vec![]),
            _ => ("failed", vec![order.failed()]),
        };
        provider.add_order(order, status);
        inbox.receive("wert", &events).await;
    }
    let found = findings(reconcile(&provider, &inbox, Position::Start)).await;
    assert_eq!(found.len(), 20);
    for finding in &found {
        let number = orders.iter().position(|order| order.id() == Some(finding.order().as_str())).unwrap();
        match (number % 5, finding) {
            (1, Finding::Missing { .. }) => {
                assert!(finding.to_string().contains(r#"Wert says "success", and no such"#), "{finding}")
            }
            (2, Finding::StatusDiffers { received, .. }) => {
                assert!(received.complete && !received.failed);
                assert!(finding.to_string().ends_with(r#"Wert says "failed", the events say complete"#), "{finding}");
            }
            _ => panic!("{number}: {finding}"),
        }
    }
}

#[tokio::test]
async fn what_came_in_elsewhere_does_not_count() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::new());
    let order = WertOrder::new();
    provider.add_order(&order, "success");
    inbox.receive("sandbox", &[order.complete()]).await;
    assert!(matches!(&findings(reconcile(&provider, &inbox, Position::Start)).await[..], [Finding::Missing { .. }]));
}

#[tokio::test]
async fn an_event_without_an_order_id_is_found_by_its_transaction() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::new());
    inbox.receive("wert", &[WertOrder::new().without("id").with("transaction_id", "0xAb").event("order_complete")]).await;
    for (order, transaction) in [("A", "0xAb"), ("B", "0xCd")] {
        provider.add_row(json!({ "order_id": order, "status": "success", "transaction_id": transaction }));
    }
    let found = findings(reconcile(&provider, &inbox, Position::Start)).await;
    assert!(matches!(&found[..], [Finding::Missing { row }] if row.order_id.as_str() == "B"), "{found:?}");
}

#[tokio::test]
async fn after_any_fault_it_goes_on_where_it_stood_and_misses_nothing() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::new());
    for _ in 0..45 {
        provider.add_order(&WertOrder::new(), "success");
    }
    let mut reconciliation = reconcile(&provider, &inbox, Position::Start);
    assert_eq!(reconciliation.next_page().await.unwrap().unwrap().len(), 20);
    let stood = reconciliation.position().clone();

    provider.answer_next(Answer::status(500));
    assert!(matches!(reconciliation.next_page().await.unwrap_err(), ReconcileError::Provider(_)));
    inbox.only(7);
    for _ in 0..2 {
        assert!(matches!(reconciliation.next_page().await.unwrap_err(), ReconcileError::Inbox(_)));
        assert_eq!(reconciliation.position(), &stood);
    }
    inbox.only(usize::MAX);
    assert_eq!(reconciliation.next_page().await.unwrap().unwrap().len(), 20);

    let resumed = reconcile(&provider, &inbox, stood.to_string().parse().unwrap());
    assert_eq!(findings(resumed).await.len(), 25);
    assert_eq!(reconciliation.next_page().await.unwrap().unwrap().len(), 5);
    assert_eq!(reconciliation.next_page().await.unwrap(), None);
    assert_eq!(reconciliation.position(), &Position::End);
}

#[tokio::test]
async fn orders_that_only_events_tell_of_are_found() {
    let provider = FakeProvider::start().await;
    let (known, forged) = (WertOrder::new(), WertOrder::new());
    provider.add_order(&known, "success");
    let ids = [known.id().unwrap().into(), forged.id().unwrap().into()];
    let found = wert(&provider).build().unwrap().find_orders(&ids).await.unwrap();
    let findings = Finding::unknown_among(&ids, &found);
    assert_eq!(findings, [Finding::UnknownToProvider { order: ids[1].clone() }]);
}

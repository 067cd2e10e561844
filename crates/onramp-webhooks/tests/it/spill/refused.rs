//! Deliveries that the primary inbox refuses.

use std::time::Duration;

use onramp_webhooks_testkit::events::WertOrder;

use super::harness::Harness;
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn while_nothing_passes_everything_waits() {
    let harness = Harness::new().await;
    harness.primary.errors(InboxCall::Record, usize::MAX);
    for _ in 0..100 {
        assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
    }
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(harness.status().await.waiting, 100);
    }
    harness.primary.recovers();
    harness.closes().await;
    assert_eq!(harness.kept().await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn short_outages_lose_nothing() {
    let harness = Harness::new().await;
    for _ in 0..20 {
        harness.primary.is_away();
        for _ in 0..5 {
            assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
        }
        tokio::time::sleep(Duration::from_secs(40)).await;
        harness.primary.recovers();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    harness.closes().await;
    assert_eq!((harness.kept().await.len(), harness.waiting().await), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn one_alone_that_is_refused_is_tried_for_ever() {
    let harness = Harness::new().await;
    harness.primary.refuses(Some("poison"));
    let order = WertOrder::new();
    assert_eq!(harness.post(order.event("poison")).await, 200);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(harness.waiting().await, 1);
    harness.primary.refuses(None);
    harness.closes().await;
    assert_eq!(harness.types(&order).await, ["poison"]);
}

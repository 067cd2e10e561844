//! Deliveries that the primary inbox refuses.

use std::time::Duration;

use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Harness, until};
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn a_refused_delivery_holds_back_its_order_and_nothing_else() {
    let harness = Harness::new().await;
    let (bad, good) = (WertOrder::new(), WertOrder::new());
    harness.primary.refuses(Some("poison"));
    let begun = tokio::time::Instant::now();
    assert_eq!(harness.post(bad.event("poison")).await, 200);
    assert_eq!(harness.post(bad.complete()).await, 200);
    assert_eq!(harness.post(good.complete()).await, 200);
    until("the other order passes", async || harness.types(&good).await.len() == 1).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "it waits for nothing: {:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(harness.types(&bad).await.is_empty(), "its own order waits for it");
    assert!(harness.is_open().await && harness.waiting().await == 2);
    let another = WertOrder::new();
    assert_eq!(harness.post(another.complete()).await, 200);
    until("a later order passes", async || harness.types(&another).await.len() == 1).await;

    harness.primary.refuses(None);
    harness.closes().await;
    assert_eq!(harness.types(&bad).await, ["poison", "order_complete"]);
}

#[tokio::test(start_paused = true)]
async fn many_refused_deliveries_do_not_hide_one_that_is_accepted() {
    let harness = Harness::new().await;
    harness.primary.is_away();
    for _ in 0..1_200 {
        assert_eq!(harness.post(WertOrder::new().event("poison")).await, 200);
    }
    let good = WertOrder::new();
    assert_eq!(harness.post(good.complete()).await, 200);
    harness.primary.refuses(Some("poison"));
    harness.primary.recovers();
    until("the good one passes", async || harness.types(&good).await.len() == 1).await;
    assert_eq!((harness.kept().await.len(), harness.waiting().await), (1, 1_200));
    harness.primary.refuses(None);
    harness.closes().await;
    assert_eq!(harness.kept().await.len(), 1_201);
}

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

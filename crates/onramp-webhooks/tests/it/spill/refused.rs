//! Deliveries that the first inbox does not take.

use std::time::Duration;

use onramp_webhooks_testkit::events::WertOrder;

use super::stage::{Stage, until};
use crate::faulty::Op;

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_again_and_again_is_set_aside_and_stays() {
    let stage = Stage::new().await;
    let (bad, good) = (WertOrder::new(), WertOrder::new());
    stage.first.refuses(Some("poison"));
    let begun = tokio::time::Instant::now();
    assert_eq!(stage.post(bad.event("poison")).await, 200);
    assert_eq!(stage.post(bad.complete()).await, 200);
    assert_eq!(stage.post(good.complete()).await, 200);
    until("the other order passes", async || stage.types(&good).await.len() == 1).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "it waits for nothing: {:?}", begun.elapsed());
    assert!(stage.types(&bad).await.is_empty(), "its own order waits for it");
    assert!(stage.is_open().await);

    stage.closes().await;
    assert!(begun.elapsed() >= Duration::from_secs(30), "not at once: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(120), "not for ever: {:?}", begun.elapsed());
    assert_eq!(stage.types(&bad).await, ["order_complete"]);
    assert_eq!(stage.status().await.set_aside, 1);
    let aside = stage.inbox.set_aside(10).await.unwrap();
    assert_eq!((aside.len(), aside[0].delivery.event_type.as_deref()), (1, Some("poison")));
    assert!(aside[0].reason.contains("a rule of the application"), "{}", aside[0].reason);

    stage.first.refuses(None);
    assert_eq!(stage.inbox.retry_set_aside().await.unwrap(), 1);
    stage.closes().await;
    until("it moves", async || stage.types(&bad).await == ["order_complete", "poison"]).await;
    assert_eq!(stage.status().await.set_aside, 0);
}

#[tokio::test(start_paused = true)]
async fn many_that_are_refused_do_not_hide_one_that_is_not() {
    let stage = Stage::new().await;
    stage.first.is_away();
    for _ in 0..1_200 {
        assert_eq!(stage.post(WertOrder::new().event("poison")).await, 200);
    }
    let good = WertOrder::new();
    assert_eq!(stage.post(good.complete()).await, 200);
    stage.first.refuses(Some("poison"));
    stage.first.recovers();
    until("the good one passes", async || stage.types(&good).await.len() == 1).await;
    stage.closes().await;
    assert_eq!(stage.status().await.set_aside, 1_200);
}

#[tokio::test(start_paused = true)]
async fn while_nothing_passes_nothing_is_set_aside() {
    let stage = Stage::new().await;
    stage.first.errors(Op::Record, usize::MAX);
    for _ in 0..100 {
        assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
    }
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let status = stage.status().await;
        assert_eq!((status.waiting, status.set_aside), (100, 0), "the store is broken, and not a delivery");
    }
    stage.first.recovers();
    stage.closes().await;
    assert_eq!(stage.kept().await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn an_outage_sets_nothing_aside() {
    let stage = Stage::new().await;
    for _ in 0..20 {
        stage.first.is_away();
        for _ in 0..5 {
            assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
        }
        tokio::time::sleep(Duration::from_secs(40)).await;
        stage.first.recovers();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    stage.closes().await;
    assert_eq!((stage.kept().await.len(), stage.status().await.set_aside), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn one_alone_that_is_refused_is_tried_for_ever() {
    let stage = Stage::new().await;
    stage.first.refuses(Some("poison"));
    let order = WertOrder::new();
    assert_eq!(stage.post(order.event("poison")).await, 200);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(stage.status().await.set_aside, 0, "it holds up nobody");
    stage.first.refuses(None);
    stage.closes().await;
    assert_eq!(stage.types(&order).await, ["poison"]);
}

//! Moving from the spill to the primary inbox.

use std::time::Duration;

use fastrand::Rng;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::spill::SpillStore;
use onramp_webhooks_testkit::events::{WertOrder, wert_test};

use super::faulty_spill::SpillCall;
use super::harness::{Harness, until};
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn all_that_waited_moves_in_its_order() {
    let harness = Harness::new().await;
    harness.primary.is_away();
    let mut bodies = Vec::new();
    for number in 0..300 {
        let order = WertOrder::new();
        let body = if number % 3 == 0 { order.payment_started() } else { order.complete() };
        bodies.push(body.clone());
        assert_eq!(harness.post(body).await, 200);
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(harness.is_open().await && harness.kept().await.is_empty());
    harness.primary.recovers();
    let begun = tokio::time::Instant::now();
    harness.closes().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "back after {:?}", begun.elapsed());
    let mut kept = Vec::new();
    for record in harness.kept().await {
        kept.push(harness.primary.show(record.id).await.unwrap().unwrap().body.unwrap());
    }
    assert!(kept == bodies, "other bodies, or another order");
    assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
    assert_eq!((harness.kept().await.len(), harness.waiting().await), (301, 0), "the primary is asked again");
}

#[tokio::test(start_paused = true)]
async fn the_primary_decides_what_is_a_duplicate_and_what_contradicts() {
    let harness = Harness::new().await;
    let order = WertOrder::new();
    assert_eq!(harness.post(order.complete()).await, 200);
    harness.primary.is_away();
    let another = WertOrder::new();
    for body in [order.complete(), another.complete(), another.complete(), another.clone().fiat("1.00", "USD").complete()] {
        assert_eq!(harness.post(body).await, 200);
    }
    harness.primary.recovers();
    harness.closes().await;
    let kept = harness.kept().await;
    let seen: Vec<_> = kept.iter().map(|record| (record.state, record.duplicates)).collect();
    assert_eq!(seen, [(State::Pending, 1), (State::Pending, 1), (State::Conflict, 0)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_makes_a_duplicate_of_itself() {
    let harness = Harness::new().await;
    harness.primary.is_late(InboxCall::Record, Duration::from_secs(3));
    assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
    harness.primary.recovers();
    harness.closes().await;
    let kept = harness.kept().await;
    assert_eq!((kept.len(), kept[0].duplicates), (1, 1));
}

/// Requests of one order come one after the other, as a provider sends them, while the primary inbox comes and goes.
#[tokio::test(start_paused = true)]
async fn an_order_keeps_its_order_whatever_happens() {
    for seed in 0..20 {
        let (harness, mut forks) = (Harness::new().await, Rng::with_seed(seed));
        let orders: Vec<_> = (0..20).map(|_| WertOrder::new()).collect();
        let sending = orders.iter().map(|order| {
            let (harness, mut random) = (&harness, forks.fork());
            async move {
                for number in 0..30 {
                    let (status, took) = harness.timed(order.event(&format!("step-{number:02}"))).await;
                    assert!(status == 200 && took < Duration::from_secs(2), "{status} after {took:?}");
                    tokio::time::sleep(Duration::from_millis(random.u64(0..800))).await;
                }
            }
        });
        let mut random = Rng::with_seed(seed + 1_000);
        let failing = async {
            loop {
                match random.u8(0..6) {
                    0 => harness.primary.is_away(),
                    1 => harness.primary.is_silent(),
                    2 => harness.primary.is_late(InboxCall::Record, Duration::from_millis(random.u64(0..2_000))),
                    3 => harness.primary.errors(InboxCall::Record, 3),
                    4 => harness.spill.errors(SpillCall::Remove, 2),
                    _ => harness.primary.recovers(),
                }
                tokio::time::sleep(Duration::from_millis(random.u64(0..1_500))).await;
            }
        };
        tokio::select! {
            _ = futures_util::future::join_all(sending) => {}
            () = failing => {}
        }
        harness.primary.recovers();
        harness.closes().await;
        let steps: Vec<_> = (0..30).map(|number| format!("step-{number:02}")).collect();
        for order in &orders {
            assert_eq!(harness.types(order).await, steps, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_others_move_comes_after_them() {
    let harness = Harness::new().await;
    harness.primary.is_away();
    let order = WertOrder::new();
    harness.post(order.event("step-0")).await;
    harness.primary.recovers();
    harness.primary.is_late(InboxCall::Record, Duration::from_millis(300));
    for step in 1..10 {
        assert_eq!(harness.post(order.event(&format!("step-{step}"))).await, 200);
        tokio::time::sleep(Duration::from_millis(90)).await;
    }
    harness.primary.recovers();
    harness.closes().await;
    assert_eq!(harness.types(&order).await, (0..10).map(|step| format!("step-{step}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_at_the_door_is_not_left_behind() {
    let harness = Harness::with_an_outage().await;
    harness.primary.recovers();
    harness.primary.is_late(InboxCall::Record, Duration::from_millis(200));
    for _ in 0..100 {
        assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
        assert!(harness.is_open().await || harness.waiting().await == 0, "something waits behind a closed breaker");
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    assert!(!harness.is_open().await);
}

#[tokio::test(start_paused = true)]
async fn traffic_without_a_pause_does_not_keep_the_breaker_open() {
    let harness = Harness::with_an_outage().await;
    let posting = async {
        loop {
            assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let back = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        harness.primary.is_late(InboxCall::Record, Duration::from_millis(5));
        harness.primary.errors(InboxCall::Check, 0);
        until("the breaker closes", async || !harness.is_open().await).await;
    };
    tokio::select! {
        () = posting => {}
        () = back => {}
    }
    harness.primary.recovers();
    harness.closes().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_not_moved_again() {
    let harness = Harness::new().await;
    harness.primary.is_away();
    assert_eq!(harness.post(wert_test()).await, 200);
    harness.spill.errors(SpillCall::Remove, 20);
    harness.primary.recovers();
    until("it moves", async || !harness.kept().await.is_empty()).await;
    assert!(harness.is_open().await);
    harness.closes().await;
    assert_eq!(harness.kept().await.len(), 1, "it has no key, and would be there twice");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_while_the_breaker_closes() {
    let harness = Harness::with_an_outage().await;
    harness.primary.recovers();
    harness.primary.hangs(InboxCall::Record);
    for _ in 0..200 {
        let (status, took) = harness.timed(WertOrder::new().complete()).await;
        assert!(status == 200 && took <= Duration::from_millis(500), "{status} after {took:?}");
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    harness.primary.recovers();
    harness.closes().await;
    assert_eq!(harness.kept().await.len(), 201);
}

#[tokio::test(start_paused = true)]
async fn the_last_one_ends_the_moving() {
    let Harness { primary, spill, inbox, receiver } = Harness::with_an_outage().await;
    assert!(spill.holders() > 1);
    drop(receiver);
    primary.recovers();
    drop(inbox);
    until("everybody lets go of the spill", async || spill.holders() == 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(spill.counts().await.unwrap().waiting, 1, "nobody moves any more");
}

//! When the first inbox is back.

use std::time::Duration;

use fastrand::Rng;
use onramp_webhooks::inbox::spill::SpillStore;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks_testkit::events::{WertOrder, wert_test};

use super::faulty_spill::SpillOp;
use super::stage::{Stage, until};
use crate::faulty::Op;

#[tokio::test(start_paused = true)]
async fn all_that_waited_moves_in_its_order() {
    let stage = Stage::new().await;
    stage.first.is_away();
    let mut bodies = Vec::new();
    for number in 0..300 {
        let order = WertOrder::new();
        let body = if number % 3 == 0 { order.payment_started() } else { order.complete() };
        bodies.push(body.clone());
        assert_eq!(stage.post(body).await, 200);
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(stage.is_open().await && stage.kept().await.is_empty());
    stage.first.recovers();
    let begun = tokio::time::Instant::now();
    stage.closes().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "back after {:?}", begun.elapsed());
    let mut kept = Vec::new();
    for record in stage.kept().await {
        kept.push(stage.first.show(record.id).await.unwrap().unwrap().body.unwrap());
    }
    assert!(kept == bodies, "other bodies, or another order");
    assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
    assert_eq!((stage.kept().await.len(), stage.waiting().await), (301, 0), "the first is asked again");
}

#[tokio::test(start_paused = true)]
async fn the_first_says_what_is_a_duplicate_and_what_contradicts() {
    let stage = Stage::new().await;
    let order = WertOrder::new();
    assert_eq!(stage.post(order.complete()).await, 200);
    stage.first.is_away();
    let another = WertOrder::new();
    for body in [order.complete(), another.complete(), another.complete(), another.clone().fiat("1.00", "USD").complete()] {
        assert_eq!(stage.post(body).await, 200);
    }
    stage.first.recovers();
    stage.closes().await;
    let kept = stage.kept().await;
    let seen: Vec<_> = kept.iter().map(|record| (record.state, record.duplicates)).collect();
    assert_eq!(seen, [(State::Pending, 1), (State::Pending, 1), (State::Conflict, 0)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_makes_a_duplicate_of_itself() {
    let stage = Stage::new().await;
    stage.first.is_late(Op::Record, Duration::from_secs(3));
    assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
    stage.first.recovers();
    stage.closes().await;
    let kept = stage.kept().await;
    assert_eq!((kept.len(), kept[0].duplicates), (1, 1));
}

/// Requests of one order come one after the other, as a provider sends them, while the first inbox comes and goes.
#[tokio::test(start_paused = true)]
async fn an_order_keeps_its_order_whatever_happens() {
    for seed in 0..20 {
        let (stage, mut forks) = (Stage::new().await, Rng::with_seed(seed));
        let orders: Vec<_> = (0..20).map(|_| WertOrder::new()).collect();
        let sending = orders.iter().map(|order| {
            let (stage, mut random) = (&stage, forks.fork());
            async move {
                for number in 0..30 {
                    let (status, took) = stage.timed(order.event(&format!("step-{number:02}"))).await;
                    assert!(status == 200 && took < Duration::from_secs(2), "{status} after {took:?}");
                    tokio::time::sleep(Duration::from_millis(random.u64(0..800))).await;
                }
            }
        });
        let mut random = Rng::with_seed(seed + 1_000);
        let failing = async {
            loop {
                match random.u8(0..6) {
                    0 => stage.first.is_away(),
                    1 => stage.first.is_silent(),
                    2 => stage.first.is_late(Op::Record, Duration::from_millis(random.u64(0..2_000))),
                    3 => stage.first.errors(Op::Record, 3),
                    4 => stage.spill.errors(SpillOp::Remove, 2),
                    _ => stage.first.recovers(),
                }
                tokio::time::sleep(Duration::from_millis(random.u64(0..1_500))).await;
            }
        };
        tokio::select! {
            _ = futures_util::future::join_all(sending) => {}
            () = failing => {}
        }
        stage.first.recovers();
        stage.closes().await;
        let steps: Vec<_> = (0..30).map(|number| format!("step-{number:02}")).collect();
        for order in &orders {
            assert_eq!(stage.types(order).await, steps, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_others_move_comes_after_them() {
    let stage = Stage::new().await;
    stage.first.is_away();
    let order = WertOrder::new();
    stage.post(order.event("step-0")).await;
    stage.first.recovers();
    stage.first.is_late(Op::Record, Duration::from_millis(300));
    for step in 1..10 {
        assert_eq!(stage.post(order.event(&format!("step-{step}"))).await, 200);
        tokio::time::sleep(Duration::from_millis(90)).await;
    }
    stage.first.recovers();
    stage.closes().await;
    assert_eq!(stage.types(&order).await, (0..10).map(|step| format!("step-{step}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_at_the_door_is_not_left_behind() {
    let stage = Stage::with_an_outage().await;
    stage.first.recovers();
    stage.first.is_late(Op::Record, Duration::from_millis(200));
    for _ in 0..100 {
        assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
        assert!(stage.is_open().await || stage.waiting().await == 0, "something waits behind a closed breaker");
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    assert!(!stage.is_open().await);
}

#[tokio::test(start_paused = true)]
async fn traffic_without_a_pause_does_not_keep_the_breaker_open() {
    let stage = Stage::with_an_outage().await;
    let posting = async {
        loop {
            assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let back = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stage.first.is_late(Op::Record, Duration::from_millis(5));
        stage.first.errors(Op::Check, 0);
        until("the breaker closes", async || !stage.is_open().await).await;
    };
    tokio::select! {
        () = posting => {}
        () = back => {}
    }
    stage.first.recovers();
    stage.closes().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_not_moved_again() {
    let stage = Stage::new().await;
    stage.first.is_away();
    assert_eq!(stage.post(wert_test()).await, 200);
    stage.spill.errors(SpillOp::Remove, 20);
    stage.first.recovers();
    until("it moves", async || !stage.kept().await.is_empty()).await;
    assert!(stage.is_open().await);
    stage.closes().await;
    assert_eq!(stage.kept().await.len(), 1, "it has no key, and would be there twice");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_while_the_breaker_closes() {
    let stage = Stage::with_an_outage().await;
    stage.first.recovers();
    stage.first.hangs(Op::Record);
    for _ in 0..200 {
        let (status, took) = stage.timed(WertOrder::new().complete()).await;
        assert!(status == 200 && took <= Duration::from_millis(500), "{status} after {took:?}");
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    stage.first.recovers();
    stage.closes().await;
    assert_eq!(stage.kept().await.len(), 201);
}

#[tokio::test(start_paused = true)]
async fn the_last_one_ends_the_moving() {
    let Stage { first, spill, inbox, receiver } = Stage::with_an_outage().await;
    assert!(spill.holders() > 1);
    drop(receiver);
    first.recovers();
    drop(inbox);
    until("everybody lets go of the spill", async || spill.holders() == 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(spill.counts().await.unwrap().waiting, 1, "nobody moves any more");
}

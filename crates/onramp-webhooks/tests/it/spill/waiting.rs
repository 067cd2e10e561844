//! What a request waits for, and what it is told.

use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{ClaimRequest, Inbox, State};
use onramp_webhooks_testkit::events::{WertOrder, wert_account, wert_test};

use super::faulty_spill::SpillOp;
use super::stage::Stage;
use crate::faulty::Op;

fn complete() -> bytes::Bytes {
    WertOrder::new().complete()
}

#[tokio::test(start_paused = true)]
async fn while_the_first_is_there_the_spill_has_nothing_to_do() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        assert_eq!(stage.timed(complete()).await, (200, Duration::ZERO));
    }
    assert_eq!(stage.kept().await.len(), 3);
    assert_eq!(stage.waiting().await, 0);
    let status = stage.status().await;
    assert!(status.open_since.is_none() && status.error.is_none() && status.waiting == 0, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_answered_by_the_spill_at_once() {
    let stage = Stage::new().await;
    stage.first.is_away();
    for number in 1..=20 {
        assert_eq!(stage.timed(complete()).await, (200, Duration::ZERO));
        assert_eq!(stage.waiting().await, number);
    }
    let status = stage.status().await;
    assert!(status.open_since.is_some() && status.waiting == 20, "{status:?}");
    assert!(status.error.unwrap().to_string().contains("test"));
    assert!(stage.kept().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn silence_costs_one_patience_and_then_nothing() {
    let stage = Stage::new().await;
    stage.first.is_silent();
    let (first, beside) = tokio::join!(stage.timed(complete()), stage.timed(complete()));
    assert_eq!((first, beside), ((200, Duration::from_secs(1)), (200, Duration::from_secs(1))));
    for _ in 0..200 {
        assert_eq!(stage.timed(complete()).await, (200, Duration::ZERO), "the first is not asked");
        tokio::time::sleep(Duration::from_millis(97)).await;
    }
    assert_eq!(stage.waiting().await, 202);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_too_slow_is_hardly_asked() {
    let stage = Stage::new().await;
    stage.first.is_late(Op::Record, Duration::from_millis(1_500));
    let mut slow = 0;
    for _ in 0..1_000 {
        let (status, took) = stage.timed(complete()).await;
        assert!(status == 200 && took <= Duration::from_millis(1_600), "{status} after {took:?}");
        slow += usize::from(took > Duration::from_millis(600));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(slow < 50, "{slow} of 1000 requests waited");
    stage.first.recovers();
    stage.closes().await;
    assert_eq!(stage.kept().await.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn unreadable_bodies_are_kept_and_answered_as_ever() {
    let stage = Stage::with_an_outage().await;
    assert_eq!(stage.post("{".into()).await, 200);
    stage.first.recovers();
    stage.closes().await;
    let states: Vec<_> = stage.kept().await.iter().map(|record| record.state).collect();
    assert_eq!(states, [State::Pending, State::Quarantined]);
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_nothing_is_acknowledged() {
    let stage = Stage::new().await;
    stage.first.is_away();
    stage.spill.errors(SpillOp::Append, usize::MAX);
    for _ in 0..3 {
        assert_eq!(stage.post(complete()).await, 503);
    }
    stage.spill.errors(SpillOp::Check, usize::MAX);
    assert_eq!(stage.inbox.check().await.unwrap_err().kind(), StoreErrorKind::Full);
    assert!(stage.kept().await.is_empty() && stage.waiting().await == 0);
    stage.spill.recovers();
    assert_eq!(stage.post(complete()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_spill_that_hangs_ends_with_the_ack_deadline() {
    let stage = Stage::new().await;
    stage.first.is_silent();
    stage.spill.hangs(SpillOp::Append);
    assert_eq!(stage.timed(complete()).await, (503, Duration::from_secs(4)));
    stage.spill.recovers();
    assert_eq!(stage.timed(complete()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_spill_leaves_the_way_to_the_first() {
    let stage = Stage::with_an_outage().await;
    stage.spill.errors(SpillOp::Append, usize::MAX);
    stage.spill.errors(SpillOp::Read, usize::MAX);
    stage.first.recovers();
    assert_eq!(stage.post(complete()).await, 200);
    assert_eq!((stage.kept().await.len(), stage.waiting().await), (1, 1));
    stage.spill.recovers();
    stage.closes().await;
    assert_eq!(stage.kept().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn healthy_is_who_can_acknowledge() {
    let stage = Stage::with_an_outage().await;
    stage.inbox.check().await.unwrap();
    stage.spill.errors(SpillOp::Check, usize::MAX);
    stage.inbox.check().await.unwrap_err();
    stage.first.recovers();
    stage.inbox.check().await.unwrap();
    stage.closes().await;
    stage.inbox.check().await.unwrap();
    stage.first.is_silent();
    stage.inbox.check().await.unwrap_err();
    stage.spill.recovers();
    stage.inbox.check().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_the_firsts() {
    let stage = Stage::with_an_outage().await;
    let claim = || stage.inbox.claim(onramp_webhooks::clock::Timestamp::default(), ClaimRequest::new(1, Duration::from_secs(1)));
    claim().await.unwrap_err();
    stage.first.recovers();
    stage.closes().await;
    assert_eq!(claim().await.unwrap().deliveries.len(), 1);
    assert_eq!(stage.inbox.counts().await.unwrap().of(State::Leased), 1);
}

#[tokio::test(start_paused = true)]
async fn what_moves_wakes_a_worker() {
    let stage = Stage::new().await;
    stage.first.is_away();
    assert_eq!(stage.post(wert_account("login", "C")).await, 200);
    assert_eq!(stage.post(wert_test()).await, 200);
    let woken = tokio::spawn({
        let inbox = stage.inbox.clone();
        async move { inbox.wait_for_work().await }
    });
    stage.first.recovers();
    stage.closes().await;
    tokio::time::timeout(Duration::from_secs(1), woken).await.expect("nobody is woken").unwrap();
}

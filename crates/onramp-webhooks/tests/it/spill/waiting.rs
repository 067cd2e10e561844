//! Requests during an outage: waiting times and replies.

use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{ClaimRequest, Inbox, State};
use onramp_webhooks_testkit::events::{WertOrder, wert_account, wert_test};

use super::faulty_spill::SpillCall;
use super::harness::Harness;
use crate::faulty::InboxCall;

fn complete() -> bytes::Bytes {
    WertOrder::new().complete()
}

#[tokio::test(start_paused = true)]
async fn while_the_primary_is_there_the_spill_has_nothing_to_do() {
    let harness = Harness::new().await;
    for _ in 0..3 {
        assert_eq!(harness.timed(complete()).await, (200, Duration::ZERO));
    }
    assert_eq!(harness.kept().await.len(), 3);
    assert_eq!(harness.waiting().await, 0);
    let status = harness.status().await;
    assert!(status.open_since.is_none() && status.error.is_none() && status.waiting == 0, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_answered_by_the_spill_at_once() {
    let harness = Harness::new().await;
    harness.primary.is_away();
    for number in 1..=20 {
        assert_eq!(harness.timed(complete()).await, (200, Duration::ZERO));
        assert_eq!(harness.waiting().await, number);
    }
    let status = harness.status().await;
    assert!(status.open_since.is_some() && status.waiting == 20, "{status:?}");
    assert!(status.error.unwrap().to_string().contains("test"));
    assert!(harness.kept().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn silence_costs_one_patience_and_then_nothing() {
    let harness = Harness::new().await;
    harness.primary.is_silent();
    let (first, beside) = tokio::join!(harness.timed(complete()), harness.timed(complete()));
    assert_eq!((first, beside), ((200, Duration::from_secs(1)), (200, Duration::from_secs(1))));
    for _ in 0..200 {
        assert_eq!(harness.timed(complete()).await, (200, Duration::ZERO), "the primary is not asked");
        tokio::time::sleep(Duration::from_millis(97)).await;
    }
    assert_eq!(harness.waiting().await, 202);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_too_slow_is_hardly_asked() {
    let harness = Harness::new().await;
    harness.primary.is_late(InboxCall::Record, Duration::from_millis(1_500));
    let mut slow = 0;
    for _ in 0..1_000 {
        let (status, took) = harness.timed(complete()).await;
        assert!(status == 200 && took <= Duration::from_millis(1_600), "{status} after {took:?}");
        slow += usize::from(took > Duration::from_millis(600));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(slow < 50, "{slow} of 1000 requests waited");
    harness.primary.recovers();
    harness.closes().await;
    assert_eq!(harness.kept().await.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn unreadable_bodies_are_kept_and_answered_as_ever() {
    let harness = Harness::with_an_outage().await;
    assert_eq!(harness.post("{".into()).await, 200);
    harness.primary.recovers();
    harness.closes().await;
    let states: Vec<_> = harness.kept().await.iter().map(|record| record.state).collect();
    assert_eq!(states, [State::Pending, State::Quarantined]);
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_nothing_is_acknowledged() {
    let harness = Harness::new().await;
    harness.primary.is_away();
    harness.spill.errors(SpillCall::Append, usize::MAX);
    for _ in 0..3 {
        assert_eq!(harness.post(complete()).await, 503);
    }
    harness.spill.errors(SpillCall::Check, usize::MAX);
    assert_eq!(harness.inbox.check().await.unwrap_err().kind(), StoreErrorKind::Full);
    assert!(harness.kept().await.is_empty() && harness.waiting().await == 0);
    harness.spill.recovers();
    assert_eq!(harness.post(complete()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_spill_that_hangs_ends_with_the_ack_deadline() {
    let harness = Harness::new().await;
    harness.primary.is_silent();
    harness.spill.hangs(SpillCall::Append);
    assert_eq!(harness.timed(complete()).await, (503, Duration::from_secs(4)));
    harness.spill.recovers();
    assert_eq!(harness.timed(complete()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_spill_leaves_the_way_to_the_primary() {
    let harness = Harness::with_an_outage().await;
    harness.spill.errors(SpillCall::Append, usize::MAX);
    harness.spill.errors(SpillCall::Oldest, usize::MAX);
    harness.primary.recovers();
    assert_eq!(harness.post(complete()).await, 200);
    assert_eq!((harness.kept().await.len(), harness.waiting().await), (1, 1));
    harness.spill.recovers();
    harness.closes().await;
    assert_eq!(harness.kept().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn healthy_is_who_can_acknowledge() {
    let harness = Harness::with_an_outage().await;
    harness.inbox.check().await.unwrap();
    harness.spill.errors(SpillCall::Check, usize::MAX);
    harness.inbox.check().await.unwrap_err();
    harness.primary.recovers();
    harness.inbox.check().await.unwrap();
    harness.closes().await;
    harness.inbox.check().await.unwrap();
    harness.primary.is_silent();
    harness.inbox.check().await.unwrap_err();
    harness.spill.recovers();
    harness.inbox.check().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_the_primarys() {
    let harness = Harness::with_an_outage().await;
    let claim =
        || harness.inbox.claim(onramp_webhooks::clock::Timestamp::default(), ClaimRequest::new(1, Duration::from_secs(1)));
    claim().await.unwrap_err();
    harness.primary.recovers();
    harness.closes().await;
    assert_eq!(claim().await.unwrap().deliveries.len(), 1);
    assert_eq!(harness.inbox.counts().await.unwrap().of(State::Leased), 1);
}

#[tokio::test(start_paused = true)]
async fn what_moves_wakes_a_worker() {
    let harness = Harness::new().await;
    harness.primary.is_away();
    assert_eq!(harness.post(wert_account("login", "C")).await, 200);
    assert_eq!(harness.post(wert_test()).await, 200);
    let woken = tokio::spawn({
        let inbox = harness.inbox.clone();
        async move { inbox.wait_for_work().await }
    });
    harness.primary.recovers();
    harness.closes().await;
    tokio::time::timeout(Duration::from_secs(1), woken).await.expect("nobody is woken").unwrap();
}

//! Shutdown and pruning.

use std::time::Duration;

use onramp_webhooks::inbox::{ClaimRequest, Inbox, Retention, State};
use onramp_webhooks_testkit::events::{WertOrder, wert_test};
use tokio::time::Instant;

use super::harness::{Do, Harness, end, rest};
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_runs_and_gives_back_what_waits() {
    let harness = Harness::new();
    harness.post_logins(10).await;
    let mut working = harness.worker(|worker| worker.concurrency(2));
    let calls = [working.call().await, working.call().await];
    assert_eq!(harness.states().await, [(State::Leased, 10)].into());
    let ending = tokio::spawn(end(working.worker));
    rest().await;
    assert!(!ending.is_finished(), "two handlers run");
    assert_eq!(harness.states().await, [(State::Pending, 8), (State::Leased, 2)].into());
    harness.post(WertOrder::new().complete()).await;
    rest().await;
    assert_eq!(harness.states().await, [(State::Pending, 9), (State::Leased, 2)].into(), "nothing new is claimed");
    let [first, second] = calls;
    first.answer(Do::Handle);
    rest().await;
    assert!(!ending.is_finished());
    second.answer(Do::Fail);
    ending.await.unwrap();
    assert_eq!(harness.states().await, [(State::Pending, 9), (State::Retrying, 1), (State::Handled, 1)].into());
    let given_back = harness.inbox.claim(harness.now(), ClaimRequest::new(100, Duration::from_secs(30))).await.unwrap();
    assert!(given_back.deliveries.iter().all(|claimed| claimed.attempt == 1));
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_what_still_runs_is_given_back() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.grace(Duration::from_secs(5)));
    let call = working.call().await;
    let begun = Instant::now();
    end(working.worker).await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!(call.is_dropped());
    let record = harness.only().await;
    assert_eq!((record.state, record.attempts, record.note), (State::Pending, 0, None));
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_ends_at_once() {
    let harness = Harness::new();
    let mut working = harness.worker(|worker| worker);
    working.rests().await;
    let begun = Instant::now();
    end(working.worker).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_during_a_claim_gives_it_back() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let working = harness.worker(|worker| worker);
    end(working.worker).await;
    let states = harness.states().await;
    assert_eq!(states, [(State::Pending, 1)].into(), "the handler was never called");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_even_if_the_inbox_is_away() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.grace(Duration::from_secs(5)));
    let call = working.call().await;
    harness.inbox.errors(InboxCall::Settle, usize::MAX);
    call.answer(Do::Handle);
    rest().await;
    let begun = Instant::now();
    let ending = tokio::spawn(end(working.worker));
    // The pause between two tries of the inbox goes by the clock that stands still here.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        harness.clock.advance(Duration::from_millis(500));
    }
    ending.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(11));
    assert_eq!(harness.only().await.state, State::Leased);
    harness.inbox.recovers();
    harness.pass(30);
    let mut next = harness.worker(|worker| worker);
    assert_eq!(next.call().await.attempt, 1, "the next worker takes it when the lease ends");
}

#[tokio::test(start_paused = true)]
async fn the_worker_prunes_what_is_older_than_the_retention() {
    let day = 24 * 3_600;
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post(order.complete()).await;
    harness.post(wert_test()).await;
    let retention = Retention::default().handled(Duration::from_secs(2 * day));
    let mut working = harness.worker(|worker| worker.retention(Some(retention)));
    for _ in 0..2 {
        working.call().await.answer(Do::Handle);
    }
    working.rests().await;
    harness.pass(2 * day);
    rest().await;
    assert_eq!(harness.kept().await.len(), 2, "not yet older than the retention");
    harness.pass(day);
    rest().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.body), (State::Handled, None), "the body went, and the test event whole");
    harness.post(order.complete()).await;
    working.rests().await;
    assert_eq!(harness.only().await.duplicates, 1, "the key stays");
}

#[tokio::test(start_paused = true)]
async fn without_a_retention_nothing_is_pruned() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.retention(None));
    working.call().await.answer(Do::Handle);
    for _ in 0..3 {
        working.rests().await;
        harness.pass(365 * 24 * 3_600);
    }
    assert!(harness.only().await.body.is_some());
}

#[tokio::test(start_paused = true)]
async fn bodies_of_handled_deliveries_go_after_thirty_days_unless_told_otherwise() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::Handle);
    working.rests().await;
    let day = 24 * 3_600;
    for (days, is_kept) in [(30, true), (1, false)] {
        harness.pass(days * day);
        rest().await;
        assert_eq!(harness.only().await.body.is_some(), is_kept);
    }
}

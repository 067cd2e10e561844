//! Jumps of the system clock, after which nothing is lost or handled twice.

use std::time::Duration;

use onramp_webhooks::inbox::State;
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, rest};

const LEASE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test(start_paused = true)]
async fn a_jump_forward_during_handling_doubles_nothing() {
    let harness = Harness::new();
    harness.post_logins(20).await;
    let mut working = harness.worker(|worker| worker.lease(LEASE).concurrency(10));
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push(working.call().await);
    }
    harness.clock.advance(DAY);
    working.rests().await;
    assert!(calls.iter().all(|call| !call.is_dropped()), "their leases ended, and nobody else took them");
    for call in calls {
        call.answer(Do::Handle);
        working.call().await.answer(Do::Handle);
    }
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 20)].into());
    assert!(harness.kept().await.iter().all(|record| record.attempts == 1));
}

#[tokio::test(start_paused = true)]
async fn a_jump_forward_between_the_handling_and_its_settlement_doubles_nothing() {
    for _ in 0..20 {
        let harness = Harness::new();
        harness.post_logins(5).await;
        let mut working = harness.worker(|worker| worker.lease(LEASE));
        let mut calls = Vec::new();
        for _ in 0..5 {
            calls.push(working.call().await);
        }
        calls.into_iter().for_each(|call| call.answer(Do::Handle));
        harness.clock.advance(DAY);
        working.rests().await;
        assert_eq!(harness.states().await, [(State::Handled, 5)].into());
    }
}

#[tokio::test(start_paused = true)]
async fn a_jump_back_during_handling_doubles_nothing() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.lease(LEASE));
    let before = working.call().await;
    harness.clock.set(harness.now().before(DAY));
    harness.post(WertOrder::new().complete()).await;
    let after = working.call().await;
    // Another process would take the second one over if its lease were not renewed by the clock as it is now.
    let mut another = harness.worker(|worker| worker.lease(LEASE));
    for _ in 0..12 {
        harness.pass(10);
        working.rests().await;
        another.rests().await;
    }
    after.answer(Do::Handle);
    before.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.states().await, [(State::Handled, 2)].into());
}

#[tokio::test(start_paused = true)]
async fn after_a_jump_back_polling_goes_on() {
    let harness = Harness::new();
    harness.inbox.hangs(crate::faulty::InboxCall::Wait);
    let mut working = harness.worker(|worker| worker.poll(Duration::from_secs(10)));
    harness.post(WertOrder::new().complete()).await;
    harness.pass(10);
    let call = working.call().await;
    harness.clock.set(harness.now().before(DAY));
    call.answer(Do::Handle);
    working.rests().await;
    harness.post(WertOrder::new().complete()).await;
    harness.pass(10);
    working.call().await.answer(Do::Handle);
}

#[tokio::test(start_paused = true)]
async fn after_a_jump_back_what_failed_is_settled_and_comes_at_its_time() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker);
    let call = working.call().await;
    harness.inbox.errors(crate::faulty::InboxCall::Settle, 1);
    call.answer(Do::NotYet(Duration::from_secs(60)));
    rest().await;
    let until = harness.now().after(Duration::from_secs(60));
    harness.clock.set(harness.now().before(DAY));
    harness.post(WertOrder::new().complete()).await;
    working.call().await.answer(Do::Handle);
    working.rests().await;
    harness.clock.advance(Duration::from_millis(500));
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Parked, 1), (State::Handled, 1)].into());
    harness.clock.set(until);
    assert_eq!(working.call().await.attempt, 1);
}

//! Renewal of leases, and workers that lost one.

use std::time::Duration;

use onramp_webhooks::inbox::{ClaimRequest, DeadCause, Inbox, Settled, Settlement, State};
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, rest};
use crate::faulty::InboxCall;

const LEASE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_while_a_handler_runs() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.lease(LEASE));
    let call = working.call().await;
    let mut another = harness.worker(|worker| worker.lease(LEASE));
    for _ in 0..100 {
        harness.pass(10);
        working.rests().await;
        another.rests().await;
    }
    assert_eq!(call.attempt, 1);
    call.answer(Do::Handle);
    rest().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.attempts), (State::Handled, 1));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_free_handler_is_renewed_too() {
    let harness = Harness::new();
    harness.post_logins(3).await;
    let mut working = harness.worker(|worker| worker.lease(LEASE).concurrency(1));
    let mut another = harness.worker(|worker| worker.lease(LEASE));
    for number in 0..3 {
        let call = working.call().await;
        for _ in 0..10 {
            harness.pass(10);
            working.rests().await;
            another.rests().await;
        }
        assert_eq!(harness.states().await.get(&State::Leased), Some(&(3 - number)));
        call.answer(Do::Handle);
        rest().await;
    }
    assert_eq!(harness.states().await, [(State::Handled, 3)].into());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_died_gives_way_when_its_lease_ends() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let dead = harness.inbox.claim(harness.now(), ClaimRequest::new(1, LEASE)).await.unwrap().deliveries.remove(0);
    let mut working = harness.worker(|worker| worker.lease(LEASE));
    harness.pass(29);
    working.rests().await;
    harness.pass(1);
    let call = working.call().await;
    assert_eq!((call.id, call.attempt), (dead.lease.id, 1));
    call.answer(Do::Handle);
    rest().await;
    let late = Settlement::new(dead.lease, Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: "late".into() });
    assert_eq!(harness.inbox.settle(harness.now(), vec![late]).await.unwrap(), [dead.lease]);
    assert_eq!(harness.only().await.state, State::Handled);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_lost_its_lease_completes_nothing() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.lease(LEASE));
    let call = working.call().await;
    harness.inbox.errors(InboxCall::Renew, usize::MAX);
    harness.inbox.errors(InboxCall::Claim, usize::MAX);
    harness.pass(30);
    working.rests().await;
    harness.inbox.recovers();
    let other = harness.inbox.claim(harness.now(), ClaimRequest::new(1, LEASE)).await.unwrap().deliveries.remove(0);
    assert_eq!(other.lease.id, call.id);
    assert!(!call.is_dropped());
    // This worker learns of its loss when it completes.
    call.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.only().await.state, State::Leased, "the late completion was refused");
    let settlement =
        Settlement::new(other.lease, Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: "by the other".into() });
    assert_eq!(harness.inbox.settle(harness.now(), vec![settlement]).await.unwrap(), []);
    let record = harness.only().await;
    assert_eq!((record.state, record.note.as_deref(), record.attempts), (State::Dead, Some("by the other"), 1));
    harness.post(WertOrder::new().complete()).await;
    working.call().await.answer(Do::Handle);
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_dropped_when_its_lease_is_known_to_be_lost() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.lease(LEASE));
    let call = working.call().await;
    harness.inbox.errors(InboxCall::Renew, 1);
    harness.inbox.errors(InboxCall::Claim, usize::MAX);
    harness.pass(30);
    working.rests().await;
    assert!(!call.is_dropped(), "it may still be its own");
    harness.inbox.recovers();
    let other = harness.inbox.claim(harness.now(), ClaimRequest::new(1, Duration::from_secs(1_000))).await.unwrap();
    assert_eq!(other.deliveries[0].lease.id, call.id);
    harness.pass(10);
    working.rests().await;
    assert!(call.is_dropped(), "another worker has it");
    assert_eq!(working.running(), 0);
    assert_eq!(harness.only().await.state, State::Leased);
}

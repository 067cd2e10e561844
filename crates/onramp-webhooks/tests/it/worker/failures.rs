//! Outages of the inbox, which cost nothing but time.

use std::time::Duration;

use onramp_webhooks::inbox::State;
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, Remembering, end, rest};
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn a_worker_outlives_failing_claims() {
    let harness = Harness::new();
    harness.inbox.errors(InboxCall::Claim, 5);
    harness.inbox.errors(InboxCall::Prune, 5);
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker);
    working.rests().await;
    for _ in 0..5 {
        harness.clock.advance(Duration::from_millis(500));
        rest().await;
    }
    working.call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.only().await.state, State::Handled);
}

#[tokio::test(start_paused = true)]
async fn what_was_handled_is_settled_when_the_inbox_is_back_and_not_handled_again() {
    for minutes in [0, 10] {
        let harness = Harness::new();
        harness.post(WertOrder::new().complete()).await;
        let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(30)));
        let call = working.call().await;
        for op in [InboxCall::Settle, InboxCall::Renew, InboxCall::Claim] {
            harness.inbox.errors(op, usize::MAX);
        }
        call.answer(Do::Handle);
        for _ in 0..=minutes * 120 {
            working.rests().await;
            harness.clock.advance(Duration::from_millis(500));
        }
        assert_eq!(harness.only().await.state, State::Leased, "nothing could be written");
        harness.inbox.recovers();
        for _ in 0..4 {
            harness.clock.advance(Duration::from_millis(500));
            working.rests().await;
        }
        let record = harness.only().await;
        assert_eq!((record.state, record.attempts), (State::Handled, 1), "away for {minutes} minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flickering_inbox_loses_nothing_and_doubles_nothing() {
    let harness = Harness::new();
    let handler = Remembering::default();
    let worker = harness.receiver.worker(handler.clone()).batch(7).concurrency(3).spawn();
    let mut posted = 0;
    for round in 0..60 {
        let op = [InboxCall::Claim, InboxCall::Settle, InboxCall::Renew, InboxCall::Prune][round % 4];
        harness.inbox.errors(op, round % 5);
        for _ in 0..5 {
            harness.post(WertOrder::new().complete()).await;
            posted += 1;
        }
        rest().await;
        harness.clock.advance(Duration::from_millis(300 + 1_000 * (round as u64 % 3)));
    }
    harness.inbox.recovers();
    for _ in 0..10 {
        harness.clock.advance(Duration::from_millis(500));
        rest().await;
    }
    end(worker).await;
    assert_eq!(harness.states().await, [(State::Handled, posted)].into());
    let seen = handler.seen();
    assert!(seen.len() as u64 == posted && seen.values().all(|times| *times == 1), "{seen:?}");
}

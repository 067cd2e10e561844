//! An inbox that is away for a while costs time, and nothing else.

use std::time::Duration;

use onramp_webhooks::inbox::State;
use onramp_webhooks_testkit::events::WertOrder;

use super::stage::{Do, Remembering, Stage, end, rest};
use crate::faulty::Op;

#[tokio::test(start_paused = true)]
async fn a_worker_outlives_failing_claims() {
    let stage = Stage::new();
    stage.inbox.errors(Op::Claim, 5);
    stage.inbox.errors(Op::Prune, 5);
    stage.post(WertOrder::new().complete()).await;
    let mut working = stage.worker(|worker| worker);
    working.rests().await;
    for _ in 0..5 {
        stage.clock.advance(Duration::from_millis(500));
        rest().await;
    }
    working.call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(stage.only().await.state, State::Handled);
}

#[tokio::test(start_paused = true)]
async fn what_was_handled_is_settled_when_the_inbox_is_back_and_not_handled_again() {
    for minutes in [0, 10] {
        let stage = Stage::new();
        stage.post(WertOrder::new().complete()).await;
        let mut working = stage.worker(|worker| worker.lease(Duration::from_secs(30)));
        let call = working.call().await;
        for op in [Op::Settle, Op::Renew, Op::Claim] {
            stage.inbox.errors(op, usize::MAX);
        }
        call.answer(Do::Handle);
        for _ in 0..=minutes * 120 {
            working.rests().await;
            stage.clock.advance(Duration::from_millis(500));
        }
        assert_eq!(stage.only().await.state, State::Leased, "nothing could be written");
        stage.inbox.recovers();
        for _ in 0..4 {
            stage.clock.advance(Duration::from_millis(500));
            working.rests().await;
        }
        let record = stage.only().await;
        assert_eq!((record.state, record.attempts), (State::Handled, 1), "away for {minutes} minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flickering_inbox_loses_nothing_and_doubles_nothing() {
    let stage = Stage::new();
    let handler = Remembering::default();
    let worker = stage.receiver.worker(handler.clone()).batch(7).concurrency(3).spawn();
    let mut posted = 0;
    for round in 0..60 {
        let op = [Op::Claim, Op::Settle, Op::Renew, Op::Prune][round % 4];
        stage.inbox.errors(op, round % 5);
        for _ in 0..5 {
            stage.post(WertOrder::new().complete()).await;
            posted += 1;
        }
        rest().await;
        stage.clock.advance(Duration::from_millis(300 + 1_000 * (round as u64 % 3)));
    }
    stage.inbox.recovers();
    for _ in 0..10 {
        stage.clock.advance(Duration::from_millis(500));
        rest().await;
    }
    end(worker).await;
    assert_eq!(stage.states().await, [(State::Handled, posted)].into());
    let seen = handler.seen();
    assert!(seen.len() as u64 == posted && seen.values().all(|times| *times == 1), "{seen:?}");
}

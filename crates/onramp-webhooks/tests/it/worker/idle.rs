//! Waiting until nothing is due.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use onramp_webhooks::inbox::State;
use onramp_webhooks::worker::{RetryPolicy, Worker};
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, Remembering, end, rest};
use crate::faulty::InboxCall;

/// Returns whether a call has returned, once everything else has come to rest.
async fn has_returned(idle: &mut Pin<Box<impl Future<Output = ()>>>) -> bool {
    // The first poll makes the request.
    poll_once(idle).await || {
        rest().await;
        poll_once(idle).await
    }
}

async fn poll_once(idle: &mut Pin<Box<impl Future<Output = ()>>>) -> bool {
    poll_fn(|cx| Poll::Ready(idle.as_mut().poll(cx).is_ready())).await
}

async fn becomes_idle(worker: &Worker) {
    tokio::time::timeout(Duration::from_secs(60), worker.idle()).await.expect("the worker is not idle");
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_deliveries_is_idle() {
    let harness = Harness::new();
    let working = harness.worker(|worker| worker);
    for _ in 0..3 {
        becomes_idle(&working.worker).await;
    }
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_all_that_is_due_also_beyond_one_batch() {
    let (harness, handler) = (Harness::new(), Remembering::default());
    harness.post_logins(100).await;
    let worker = harness.receiver.worker(handler.clone()).batch(8).concurrency(2).spawn();
    becomes_idle(&worker).await;
    assert_eq!(harness.states().await, [(State::Handled, 100)].into());
    harness.post_logins(100).await;
    becomes_idle(&worker).await;
    assert_eq!(harness.states().await, [(State::Handled, 100)].into(), "they were duplicates");
    harness.post(WertOrder::new().complete()).await;
    becomes_idle(&worker).await;
    assert_eq!(harness.states().await, [(State::Handled, 101)].into());
    assert!(handler.seen().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_deliveries_that_fall_due_meanwhile() {
    let harness = Harness::new();
    let order = WertOrder::new();
    for body in [order.payment_started(), order.transfer_started(), order.complete()] {
        harness.post(body).await;
    }
    let mut working = harness.worker(|worker| worker.retry(RetryPolicy::new(2, Duration::ZERO, Duration::ZERO)));
    let worker = &working.worker;
    let mut idle = Box::pin(worker.idle());
    assert!(!poll_once(&mut idle).await);
    drop(idle);
    // One event of an order at a time, and the failed one at once again.
    for what in [Do::Fail, Do::Handle, Do::Handle, Do::Handle] {
        let call = working.call().await;
        let mut idle = Box::pin(working.worker.idle());
        assert!(!has_returned(&mut idle).await, "a handler runs");
        drop(idle);
        call.answer(what);
    }
    becomes_idle(&working.worker).await;
    assert_eq!(harness.states().await, [(State::Handled, 3)].into());
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_wait_for_a_later_time_do_not_count() {
    let harness = Harness::new();
    for _ in 0..2 {
        harness.post(WertOrder::new().complete()).await;
    }
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::NotYet(Duration::from_secs(60)));
    working.call().await.answer(Do::Refuse);
    becomes_idle(&working.worker).await;
    assert_eq!(harness.states().await, [(State::Parked, 1), (State::Dead, 1)].into());
    harness.pass(60);
    let call = working.call().await;
    let mut idle = Box::pin(working.worker.idle());
    assert!(!has_returned(&mut idle).await, "now it is due");
    call.answer(Do::Handle);
    rest().await;
    assert!(has_returned(&mut idle).await);
    assert_eq!(harness.states().await, [(State::Handled, 1), (State::Dead, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn idle_waits_while_the_inbox_is_away() {
    for call in [InboxCall::Claim, InboxCall::Settle] {
        let (harness, handler) = (Harness::new(), Remembering::default());
        harness.post(WertOrder::new().complete()).await;
        harness.inbox.errors(call, usize::MAX);
        let worker = harness.receiver.worker(handler).spawn();
        let mut idle = Box::pin(worker.idle());
        for _ in 0..5 {
            assert!(!has_returned(&mut idle).await, "{call:?}");
            harness.clock.advance(Duration::from_millis(500));
        }
        harness.inbox.recovers();
        rest().await;
        harness.clock.advance(Duration::from_millis(500));
        tokio::time::timeout(Duration::from_secs(1), idle).await.expect("it is idle");
        assert_eq!(harness.only().await.state, State::Handled);
    }
}

/// The call itself makes the worker look.
#[tokio::test(start_paused = true)]
async fn idle_needs_neither_a_notification_nor_a_poll() {
    let harness = Harness::new();
    harness.inbox.hangs(InboxCall::Wait);
    let mut working = harness.worker(|worker| worker.poll(Duration::from_secs(1 << 30)));
    working.rests().await;
    let order = WertOrder::new();
    for body in [order.payment_started(), order.complete()] {
        harness.post(body).await;
    }
    working.rests().await;
    let worker = &working.worker;
    let mut waiting = Box::pin(worker.idle());
    assert!(!poll_once(&mut waiting).await);
    drop(waiting);
    for _ in 0..2 {
        working.call().await.answer(Do::Handle);
    }
    becomes_idle(&working.worker).await;
    assert_eq!(harness.states().await, [(State::Handled, 2)].into());
}

#[tokio::test(start_paused = true)]
async fn every_caller_returns() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker);
    let call = working.call().await;
    let mut first = Box::pin(working.worker.idle());
    assert!(!has_returned(&mut first).await);
    let mut second = Box::pin(working.worker.idle());
    assert!(!has_returned(&mut second).await);
    let mut dropped = Box::pin(working.worker.idle());
    assert!(!has_returned(&mut dropped).await);
    drop(dropped);
    call.answer(Do::Handle);
    rest().await;
    assert!(has_returned(&mut first).await && has_returned(&mut second).await);
    drop((first, second));
    end(working.worker).await;
}

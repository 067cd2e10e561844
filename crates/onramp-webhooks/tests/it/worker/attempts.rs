//! Attempts and their outcomes.

use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::event::DecodeError;
use onramp_webhooks::identity::Identity;
use onramp_webhooks::inbox::{DeadCause, Inbox, NewDelivery, State};
use onramp_webhooks::provider::{Facts, Provider, ProviderEvent};
use onramp_webhooks::worker::RetryPolicy;
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, Unspeakable, end, rest};
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn what_is_recorded_is_handled_at_once() {
    let harness = Harness::new();
    let mut working = harness.worker(|worker| worker);
    working.rests().await;
    for _ in 0..3 {
        harness.post(WertOrder::new().complete()).await;
        let call = working.call().await;
        assert_eq!((call.event_type.as_str(), call.attempt, call.stale), ("order_complete", 1, false));
        call.answer(Do::Handle);
    }
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 3)].into());
    assert!(harness.kept().await.iter().all(|record| record.settled_at == Some(harness.now()) && record.attempts == 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_before_is_handled_at_once() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    harness.worker(|worker| worker).call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.states().await, [(State::Handled, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_failing_event_is_tried_again_until_it_is_a_dead_letter() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let policy = RetryPolicy::new(4, Duration::from_secs(100), Duration::from_secs(300));
    let mut working = harness.worker(|worker| worker.retry(policy));
    for (attempt, bound) in [(1, 100), (2, 200), (3, 300)] {
        let call = working.call().await;
        assert_eq!(call.attempt, attempt);
        call.answer(Do::Fail);
        rest().await;
        let record = harness.only().await;
        if record.state == State::Retrying {
            let pause = record.due_at.unwrap().since(harness.now());
            assert!(pause <= Duration::from_secs(bound), "attempt {attempt}: {pause:?}");
        }
        assert_eq!((record.attempts, record.note.as_deref()), (attempt, Some("out of order")));
        harness.pass(bound);
    }
    working.call().await.answer(Do::FailWith("the last words".into()));
    rest().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.attempts, record.note.as_deref()), (State::Dead, 4, Some("the last words")));
    assert_eq!(record.cause, Some(DeadCause::AttemptsUsedUp));
    harness.pass(1_000_000);
    working.rests().await;
}

#[tokio::test(start_paused = true)]
async fn pauses_are_spread() {
    let harness = Harness::new();
    harness.post_logins(100).await;
    let mut working = harness.worker(|worker| {
        worker.retry(RetryPolicy::new(9, Duration::from_secs(1_000), Duration::from_secs(1_000))).concurrency(100)
    });
    for _ in 0..100 {
        working.call().await.answer(Do::Fail);
    }
    rest().await;
    let mut pauses: Vec<_> =
        harness.kept().await.iter().map(|record| record.due_at.unwrap().since(harness.now()).as_secs()).collect();
    pauses.sort_unstable();
    assert!(pauses[0] < 200 && pauses[99] > 800 && pauses[99] <= 1_000, "{pauses:?}");
    pauses.dedup();
    assert!(pauses.len() > 50, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_at_its_time_without_any_polling() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.poll(Duration::from_secs(1 << 30)));
    working.call().await.answer(Do::Fail);
    rest().await;
    let due_at = harness.only().await.due_at.unwrap();
    if due_at > harness.now() {
        harness.clock.set(due_at.before(Duration::from_millis(1)));
        working.rests().await;
    }
    harness.clock.set(due_at);
    assert_eq!(working.call().await.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_a_dead_letter_at_once() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::Refuse);
    rest().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.attempts, record.note.as_deref()), (State::Dead, 1, Some("refused for good")));
    assert_eq!(record.cause, Some(DeadCause::RefusedByHandler));
    harness.pass(1_000_000);
    working.rests().await;
}

#[tokio::test(start_paused = true)]
async fn not_yet_parks_and_costs_no_attempt() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.retry(RetryPolicy::new(1, Duration::ZERO, Duration::ZERO)));
    for _ in 0..5 {
        let call = working.call().await;
        assert_eq!(call.attempt, 1);
        call.answer(Do::NotYet(Duration::from_secs(60)));
        rest().await;
        let record = harness.only().await;
        assert_eq!((record.state, record.attempts), (State::Parked, 0));
        assert_eq!(
            (record.due_at, record.note.as_deref()),
            (Some(harness.now().after(Duration::from_secs(60))), Some("no such customer yet"))
        );
        harness.pass(59);
        working.rests().await;
        harness.pass(1);
    }
    working.call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.only().await.state, State::Handled);
}

/// A handler that asks for no pause would run in a tight loop.
#[tokio::test(start_paused = true)]
async fn not_yet_waits_for_at_least_a_second() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::NotYet(Duration::ZERO));
    rest().await;
    assert_eq!(harness.only().await.due_at, Some(harness.now().after(Duration::from_secs(1))));
}

#[tokio::test(start_paused = true)]
async fn not_yet_ends_as_a_dead_letter() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.longest_park(Duration::from_secs(7_200)));
    for _ in 0..2 {
        working.call().await.answer(Do::NotYet(Duration::from_secs(3_600)));
        rest().await;
        assert_eq!(harness.only().await.state, State::Parked);
        harness.pass(3_600);
    }
    working.call().await.answer(Do::NotYet(Duration::from_secs(3_600)));
    rest().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.cause), (State::Dead, Some(DeadCause::AttemptsUsedUp)));
    assert_eq!(record.note.as_deref(), Some("not ready 2 hours after its arrival: no such customer yet"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_transient_error() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.retry(RetryPolicy::new(2, Duration::ZERO, Duration::ZERO)));
    for attempt in [1, 2] {
        let call = working.call().await;
        assert_eq!(call.attempt, attempt);
        call.answer(Do::Panic);
    }
    rest().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.note.as_deref()), (State::Dead, Some("the handler panicked: the handler's own bug")));
    harness.post(WertOrder::new().complete()).await;
    working.call().await.answer(Do::Handle);
    end(working.worker).await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_transient_error() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| {
        worker.attempt_timeout(Duration::from_secs(20)).retry(RetryPolicy::new(2, Duration::ZERO, Duration::ZERO))
    });
    for attempt in [1, 2] {
        let begun = tokio::time::Instant::now();
        let call = working.call().await;
        assert_eq!(call.attempt, attempt);
        call.answer(Do::Hang);
        tokio::time::sleep(Duration::from_secs(19)).await;
        assert_eq!(working.running(), 1, "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(1_001)).await;
    }
    rest().await;
    assert_eq!(working.running(), 0);
    let record = harness.only().await;
    assert_eq!(
        (record.state, record.note.as_deref()),
        (State::Dead, Some("the handler took longer than 20s (WorkerBuilder::attempt_timeout)"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_error_is_cut() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::FailWith("ü".repeat(1_000_000)));
    rest().await;
    let note = harness.only().await.note.unwrap();
    assert_eq!(note.chars().count(), 2_001);
    assert!(note.starts_with("üü") && note.ends_with("ü…"));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_requeues_a_dead_letter() {
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post(order.complete()).await;
    let mut working = harness.worker(|worker| worker.retry(RetryPolicy::new(1, Duration::ZERO, Duration::ZERO)));
    working.call().await.answer(Do::Fail);
    working.rests().await;
    harness.post(order.complete()).await;
    let call = working.call().await;
    assert_eq!(call.attempt, 1);
    call.answer(Do::Handle);
    harness.post(order.complete()).await;
    working.rests().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.duplicates), (State::Handled, 2));
}

/// Its handler may have paid before it refused, and would pay again at every copy.
#[tokio::test(start_paused = true)]
async fn a_duplicate_of_what_was_refused_runs_nothing() {
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post(order.complete()).await;
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::Refuse);
    working.rests().await;
    harness.post(order.complete()).await;
    working.rests().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.duplicates), (State::Dead, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_this_version_cannot_read_is_a_dead_letter() {
    let harness = Harness::new();
    let new = NewDelivery::new("wert", "wert", harness.now(), Bytes::from_static(br#"{"type":7}"#));
    harness.inbox.record(new).await.unwrap();
    let mut working = harness.worker(|worker| worker);
    working.rests().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.cause), (State::Dead, Some(DeadCause::Unreadable)));
    assert!(record.note.unwrap().contains("cannot read"));
}

/// The handler is not called, and a worker that knows the provider handles the delivery later.
#[tokio::test(start_paused = true)]
async fn an_event_of_an_unknown_provider_is_parked_and_costs_no_attempt() {
    let harness = Harness::new();
    harness.inbox.record(NewDelivery::new("acme", "acme", harness.now(), Bytes::from_static(b"{}"))).await.unwrap();
    let mut working = harness.worker(|worker| worker.retry(RetryPolicy::new(1, Duration::ZERO, Duration::ZERO)));
    for _ in 0..5 {
        working.rests().await;
        let record = harness.only().await;
        assert_eq!((record.state, record.attempts), (State::Parked, 0));
        assert_eq!(record.note.as_deref(), Some("the provider acme is not known here"));
        assert_eq!(record.due_at, Some(harness.now().after(Duration::from_secs(600))));
        harness.pass(600);
    }
    working.rests().await;
    end(working.worker).await;
    let mut knowing = harness.worker(|worker| worker.provider::<Acme>());
    harness.pass(600);
    let call = knowing.call().await;
    assert_eq!((call.event_type.as_str(), call.attempt), ("purchase", 1));
    call.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.only().await.state, State::Handled);
}

#[derive(Debug)]
struct Acme;

#[derive(Debug)]
struct AcmePurchase;

impl Provider for Acme {
    type Event = AcmePurchase;
    const FACTS: Facts = Facts::new("acme");
}

impl ProviderEvent for AcmePurchase {
    fn read(_: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn type_name(&self) -> &str {
        "purchase"
    }

    fn type_label(&self) -> &'static str {
        "purchase"
    }

    fn identity(&self) -> Identity {
        Identity::unique()
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_record_is_found_by_polling() {
    let harness = Harness::new();
    harness.inbox.hangs(InboxCall::Wait);
    let mut working = harness.worker(|worker| worker.poll(Duration::from_secs(10)));
    working.rests().await;
    harness.post(WertOrder::new().complete()).await;
    working.rests().await;
    harness.pass(10);
    working.call().await.answer(Do::Handle);
}

/// An inbox on another machine takes its time to answer.
#[tokio::test(start_paused = true)]
async fn every_look_is_one_claim() {
    let harness = Harness::new();
    harness.inbox.is_late(InboxCall::Claim, Duration::from_millis(5));
    let mut working = harness.worker(|worker| worker.poll(Duration::from_secs(10)));
    for looks in 1..10 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        working.rests().await;
        assert_eq!(harness.inbox.calls(InboxCall::Claim), looks);
        harness.pass(10);
    }
}

#[tokio::test(start_paused = true)]
async fn quarantine_and_conflicts_are_not_handled() {
    let harness = Harness::new();
    let order = WertOrder::new();
    for body in [order.complete(), order.clone().fiat("1.00", "USD").complete(), order.with("quote_amount", "?").complete()] {
        harness.post(body).await;
    }
    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::Handle);
    working.rests().await;
    harness.pass(1_000_000);
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 1), (State::Quarantined, 1), (State::Conflict, 1)].into());
}

/// The handler's error is the shop's code, too.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_handlers_error_is_a_transient_error() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let once = RetryPolicy::new(1, Duration::from_secs(1), Duration::from_secs(1));
    let mut working = harness.worker(|worker| worker.retry(once));
    working.call().await.answer(Do::FailBecause(Box::new(Unspeakable)));
    rest().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.note.as_deref()), (State::Dead, Some("the handler panicked: no words")));
}

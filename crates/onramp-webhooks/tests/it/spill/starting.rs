//! Starting, also during an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::spill::{SpillInbox, SpillStore};
use onramp_webhooks_testkit::events::{WertOrder, wert_test};
use tokio::time::Instant;

use super::faulty_spill::{FaultySpill, SpillCall};
use super::harness::{Harness, options};
use crate::faulty::Faulty;

/// Returns a spill as an earlier process left it.
async fn left_behind(bodies: &[bytes::Bytes]) -> FaultySpill {
    let harness = Harness::new().await;
    harness.primary.is_away();
    for body in bodies {
        assert_eq!(harness.post(body.clone()).await, 200);
    }
    harness.spill.clone()
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_life_left_moves_before_what_comes() {
    let order = WertOrder::new();
    let spill = left_behind(&[order.event("step-0"), order.event("step-1")]).await;
    let primary = Faulty::default();
    let inbox = options(&spill).over(primary.clone()).await.unwrap();
    let harness = Harness::of(primary, spill, inbox);
    assert!(harness.is_open().await);
    assert_eq!(harness.post(order.event("step-2")).await, 200);
    harness.closes().await;
    assert_eq!(harness.types(&order).await, ["step-0", "step-1", "step-2"]);
}

/// As after a crash between recording in the primary inbox and removing from the spill.
#[tokio::test(start_paused = true)]
async fn what_had_moved_already_is_a_duplicate_if_it_has_a_key() {
    let order = WertOrder::new();
    let spill = left_behind(&[order.complete(), wert_test()]).await;
    let primary = Faulty::default();
    for (_, delivery) in spill.oldest(10, usize::MAX).await.unwrap() {
        primary.record(delivery).await.unwrap();
    }
    let inbox = options(&spill).over(primary.clone()).await.unwrap();
    let harness = Harness::of(primary, spill, inbox);
    harness.closes().await;
    let seen: Vec<_> =
        harness.kept().await.iter().map(|record| (record.event_type.clone().unwrap(), record.duplicates)).collect();
    assert_eq!(seen, [("order_complete".into(), 1), ("test".into(), 0), ("test".into(), 0)]);
}

/// Opens the primary inbox at the `nth` call; one panics, one hangs, the others fail.
fn opens_at(nth: usize, primary: &Faulty) -> (impl FnMut() -> OpeningFuture + Send + use<>, Arc<AtomicUsize>) {
    let (calls, primary) = (Arc::new(AtomicUsize::new(0)), primary.clone());
    let counted = Arc::clone(&calls);
    let open = move || -> OpeningFuture {
        let (call, primary) = (counted.fetch_add(1, Ordering::SeqCst), primary.clone());
        Box::pin(async move {
            match call {
                _ if call == nth => Ok(primary),
                1 => panic!("the application's own bug"),
                2 => std::future::pending().await,
                _ => Err(StoreError::new(StoreErrorKind::Unavailable, "connect to the database")),
            }
        })
    };
    (open, calls)
}

type OpeningFuture = std::pin::Pin<Box<dyn Future<Output = Result<Faulty, StoreError>> + Send>>;

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_there_is_asked_from_the_first_second() {
    let (primary, spill) = (Faulty::default(), FaultySpill::default());
    let inbox: SpillInbox<Faulty> = options(&spill).opening(opens_at(0, &primary).0).await.unwrap();
    let harness = Harness::of(primary, spill, inbox);
    assert!(!harness.is_open().await && harness.inbox.primary().is_some());
    assert_eq!(harness.timed(WertOrder::new().complete()).await, (200, Duration::ZERO));
    assert_eq!((harness.kept().await.len(), harness.waiting().await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_away_at_the_start_is_opened_when_it_is_back() {
    let (primary, spill) = (Faulty::default(), FaultySpill::default());
    let (open, calls) = opens_at(6, &primary);
    let begun = Instant::now();
    let inbox = options(&spill).opening(open).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1), "no longer than the patience");
    let harness = Harness::of(primary, spill, inbox);
    let order = WertOrder::new();
    assert_eq!(harness.timed(order.payment_started()).await, (200, Duration::ZERO));
    assert!(harness.inbox.primary().is_none());
    let error = harness.inbox.counts().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    harness.inbox.check().await.unwrap();
    let woken = tokio::time::timeout(Duration::from_millis(1), harness.inbox.wait_for_work()).await;
    assert!(woken.is_err(), "there is no work, and whoever waits does not spin");

    harness.closes().await;
    assert_eq!(calls.load(Ordering::SeqCst), 7, "after a panic, a silence and errors");
    assert_eq!(harness.post(order.complete()).await, 200);
    assert_eq!(harness.types(&order).await, ["payment_started", "order_complete"]);
    assert_eq!(harness.inbox.counts().await.unwrap().of(State::Pending), 2);
    harness.inbox.wait_for_work().await;
}

#[tokio::test(start_paused = true)]
async fn a_spill_that_cannot_be_read_is_an_error_at_the_start() {
    let spill = FaultySpill::default();
    spill.errors(SpillCall::Counts, 1);
    let error = options(&spill).over(Faulty::default()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
}

#[tokio::test(start_paused = true)]
async fn a_spill_that_fails_for_a_while_is_read_again() {
    let spill = left_behind(&[WertOrder::new().complete()]).await;
    spill.errors(SpillCall::Oldest, 10);
    let primary = Faulty::default();
    let inbox = options(&spill).over(primary.clone()).await.unwrap();
    let harness = Harness::of(primary, spill, inbox);
    harness.closes().await;
    assert_eq!(harness.kept().await.len(), 1);
}

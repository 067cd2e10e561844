//! Failures of the primary inbox that last until an operator acts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use onramp_webhooks::inbox::Inbox;
use onramp_webhooks::{StoreError, StoreErrorKind};
use onramp_webhooks_testkit::events::WertOrder;
use tokio::time::Instant;

use super::faulty_spill::FaultySpill;
use super::harness::{Harness, options, until};
use crate::faulty::{Faulty, InboxCall};

const PERMANENT: [StoreErrorKind; 2] = [StoreErrorKind::ReadOnly, StoreErrorKind::Unusable];

impl Harness {
    async fn health(&self) -> u16 {
        self.receiver.health().await.status()
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_can_never_be_opened_stops_the_start() {
    for kind in PERMANENT {
        let spill = FaultySpill::default();
        let begun = Instant::now();
        let opening =
            options(&spill).opening(move || std::future::ready(Err::<Faulty, _>(StoreError::new(kind, "open the database"))));
        assert_eq!(opening.await.unwrap_err().kind(), kind);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        until("nothing runs on", async || spill.holders() == 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_open_and_cannot_be_written_stops_the_start() {
    for kind in PERMANENT {
        let primary = Faulty::default();
        primary.fails(kind);
        let spill = FaultySpill::default();
        let error = options(&spill).over(primary.clone()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let error = options(&spill).opening(move || std::future::ready(Ok(primary.clone()))).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_fails_for_good_while_it_runs_is_unhealthy_and_everything_is_kept() {
    for kind in PERMANENT {
        let harness = Harness::new().await;
        harness.primary.fails(kind);
        assert_eq!(harness.health().await, 503, "without any request");
        assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
        assert_eq!((harness.health().await, harness.waiting().await), (503, 1));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((harness.health().await, harness.waiting().await), (503, 1));

        harness.primary.recovers();
        harness.closes().await;
        assert_eq!((harness.health().await, harness.kept().await.len()), (200, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_responds_again_is_healthy_before_everything_has_moved() {
    let (harness, order) = (Harness::new().await, WertOrder::new());
    harness.primary.fails(StoreErrorKind::ReadOnly);
    assert_eq!(harness.post(order.complete()).await, 200);
    assert_eq!(harness.health().await, 503);
    for step in 0..300 {
        assert_eq!(harness.post(order.event(&format!("step-{step}"))).await, 200);
    }
    harness.primary.recovers();
    harness.primary.is_late(InboxCall::Record, Duration::from_millis(100));
    until("the primary inbox responds", async || harness.health().await == 200).await;
    assert!(harness.is_open().await && harness.waiting().await > 200, "{}", harness.waiting().await);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_was_away_at_the_start_and_turns_out_unusable_is_unhealthy() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let open = move || {
        let kind = match counted.fetch_add(1, Ordering::SeqCst) {
            0..5 => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Unusable,
        };
        std::future::ready(Err(StoreError::new(kind, "open the database")))
    };
    let spill = FaultySpill::default();
    let inbox = options(&spill).opening(open).await.unwrap();
    let harness = Harness::of(Faulty::default(), spill, inbox);
    assert_eq!(harness.health().await, 200);
    until("the error is permanent", async || calls.load(Ordering::SeqCst) > 5).await;
    assert_eq!(harness.health().await, 503);
    assert_eq!(harness.inbox.check().await.unwrap_err().kind(), StoreErrorKind::Unusable);
    assert_eq!(harness.post(WertOrder::new().complete()).await, 200, "and still keeps what comes");
}

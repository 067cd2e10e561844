//! A worker over a spill while the primary inbox hangs: it waits and then continues.

use std::time::Duration;

use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Harness, until};
use crate::faulty::InboxCall;
use crate::worker::harness::{Remembering, end};

fn worker(harness: &Harness, handler: &Remembering) -> WorkerBuilder {
    harness.receiver.worker(handler.clone()).lease(Duration::from_secs(30))
}

async fn all_are_handled(harness: &Harness, handler: &Remembering, number: u64) {
    let handled = async || {
        let counts = harness.primary.counts().await.unwrap();
        counts.of(State::Handled) == number
    };
    until("all are handled", handled).await;
    assert!(handler.seen().values().all(|times| *times == 1), "{:?}", handler.seen());
}

/// Each kind of call hangs once.
#[tokio::test(start_paused = true)]
async fn a_worker_recovers_when_the_primary_is_back() {
    for op in [InboxCall::Claim, InboxCall::Settle, InboxCall::Renew] {
        for minutes in [0, 1, 10] {
            let (harness, handler) = (Harness::new().await, Remembering::default());
            let worker = worker(&harness, &handler).spawn();
            assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
            all_are_handled(&harness, &handler, 1).await;
            harness.primary.hangs(op);
            for _ in 0..5 {
                assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
            }
            tokio::time::sleep(Duration::from_secs(1 + minutes * 60)).await;
            harness.primary.recovers();
            all_are_handled(&harness, &handler, 6).await;
            end(worker).await;
        }
    }
}

/// A shutdown does not wait for ever for what is never answered.
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_while_the_primary_says_nothing() {
    for op in [InboxCall::Claim, InboxCall::Settle, InboxCall::Renew] {
        let (harness, handler) = (Harness::new().await, Remembering::default());
        let worker = worker(&harness, &handler).spawn();
        tokio::time::sleep(Duration::from_secs(1)).await;
        harness.primary.hangs(op);
        assert_eq!(harness.post(WertOrder::new().complete()).await, 200);
        tokio::time::sleep(Duration::from_secs(2)).await;
        end(worker).await;
    }
}

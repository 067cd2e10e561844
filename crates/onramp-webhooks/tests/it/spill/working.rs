//! A worker over a spill, while the first inbox says nothing: it waits, and goes on by itself.

use std::time::Duration;

use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks_testkit::events::WertOrder;

use super::stage::{Stage, until};
use crate::faulty::Op;
use crate::worker::stage::{Remembering, end};

fn worker(stage: &Stage, handler: &Remembering) -> WorkerBuilder {
    stage.receiver.worker(handler.clone()).lease(Duration::from_secs(30))
}

async fn all_are_handled(stage: &Stage, handler: &Remembering, number: u64) {
    let handled = async || {
        let counts = stage.first.counts().await.unwrap();
        counts.of(State::Handled) == number
    };
    until("all are handled", handled).await;
    assert!(handler.seen().values().all(|times| *times == 1), "{:?}", handler.seen());
}

/// Whatever call is the one that gets no answer.
#[tokio::test(start_paused = true)]
async fn a_worker_recovers_when_the_first_is_back() {
    for op in [Op::Claim, Op::Settle, Op::Renew] {
        for minutes in [0, 1, 10] {
            let (stage, handler) = (Stage::new().await, Remembering::default());
            let worker = worker(&stage, &handler).spawn();
            assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
            all_are_handled(&stage, &handler, 1).await;
            stage.first.hangs(op);
            for _ in 0..5 {
                assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
            }
            tokio::time::sleep(Duration::from_secs(1 + minutes * 60)).await;
            stage.first.recovers();
            all_are_handled(&stage, &handler, 6).await;
            end(worker).await;
        }
    }
}

/// A shutdown does not wait for ever for what is never answered.
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_while_the_first_says_nothing() {
    for op in [Op::Claim, Op::Settle, Op::Renew] {
        let (stage, handler) = (Stage::new().await, Remembering::default());
        let worker = worker(&stage, &handler).spawn();
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.first.hangs(op);
        assert_eq!(stage.post(WertOrder::new().complete()).await, 200);
        tokio::time::sleep(Duration::from_secs(2)).await;
        end(worker).await;
    }
}

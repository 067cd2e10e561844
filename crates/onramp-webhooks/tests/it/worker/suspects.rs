//! Deliveries whose handler may have ended the process.

use onramp_webhooks::inbox::{ClaimRequest, DeadCause, Inbox, SUSPECT_AFTER, State};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, Working, rest};
use super::leases::LEASE;

impl Harness {
    /// Claims everything that is due `times` times, as processes that end at once.
    async fn dies(&self, times: u32, request: impl Fn(ClaimRequest) -> ClaimRequest) {
        for _ in 0..times {
            self.inbox.claim(self.now(), request(ClaimRequest::new(100, LEASE))).await.unwrap();
            self.pass(LEASE.as_secs());
        }
    }

    fn leasing(&self) -> Working {
        self.worker(|worker: WorkerBuilder| worker.lease(LEASE))
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspect_runs_alone_and_the_others_go_on_after_it() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    harness.dies(SUSPECT_AFTER, |request| request).await;
    harness.post_logins(2).await;
    let mut working = harness.leasing();
    let others = [working.call().await, working.call().await];
    harness.post(WertOrder::new().payment_started()).await;
    working.rests().await;
    assert_eq!(working.running(), 2, "nothing is claimed until these have ended");
    others.into_iter().for_each(|call| call.answer(Do::Handle));
    let suspect = working.call().await;
    assert_eq!((suspect.event_type.as_str(), suspect.attempt), ("order_complete", 1));
    working.rests().await;
    assert_eq!(working.running(), 1, "nothing runs beside it");
    suspect.answer(Do::Handle);
    working.call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.states().await, [(State::Handled, 4)].into());
}

#[tokio::test(start_paused = true)]
async fn what_ends_the_process_alone_too_is_a_dead_letter() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    harness.dies(SUSPECT_AFTER, |request| request).await;
    harness.dies(1, ClaimRequest::of_a_suspect).await;
    harness.post_logins(1).await;
    let mut working = harness.leasing();
    working.call().await.answer(Do::Handle);
    working.rests().await;
    let record = harness.kept().await.pop().unwrap();
    assert_eq!((record.state, record.cause), (State::Dead, Some(DeadCause::ProcessKilled)));
    assert_eq!(record.note.as_deref(), Some("the process ended 6 times while it was handled"));
}

//! Claims that begin before a worker needs them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, Claims, Inbox, MemoryInbox, NewDelivery};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{Delivery, Handler, HandlerError, StoreError, async_trait};
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};
use onramp_webhooks_testkit::events::wert_account;
use tokio::time::sleep;

use super::harness::end;

/// An inbox whose claims take a millisecond, and that remembers how many deliveries the worker held at the start of each.
#[derive(Clone, Debug, Default)]
struct Slow {
    inner: Arc<MemoryInbox>,
    held: Arc<Mutex<Vec<usize>>>,
}

#[async_trait]
impl InboxDouble for Slow {
    fn inner(&self) -> &dyn Inbox {
        &self.inner
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.held.lock().unwrap().push(request.held.values().sum());
        sleep(Duration::from_millis(1)).await;
        self.inner.claim(now, request).await
    }
}

/// A handler that is fast for a number of deliveries, and then takes a second for each.
struct FastAtFirst(AtomicUsize);

#[async_trait]
impl Handler for FastAtFirst {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }
}

/// Returns how many of 200 deliveries a worker with batches of 8 and 2 handlers at a time holds at the start of each claim, when the first
/// ones are fast.
async fn held_at_claims(fast: usize) -> Vec<usize> {
    let inbox = Slow::default();
    for number in 0..200 {
        let body = wert_account("kyc_approved", &format!("account-{number}"));
        inbox.inner.record(NewDelivery::new("wert", "wert", Timestamp::from_millis(0), body)).await.unwrap();
    }
    let handler = FastAtFirst(AtomicUsize::new(fast));
    let worker = WorkerBuilder::new(Arc::new(Double(inbox.clone())), Arc::new(handler)).batch(8).concurrency(2).spawn();
    worker.idle().await;
    end(worker).await;
    inbox.held.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_worker_claims_at_once_only_while_its_handlers_wait_for_claims() {
    let fast = held_at_claims(200).await;
    assert_eq!(fast.iter().max(), Some(&8), "a whole batch: {fast:?}");
    let slow = held_at_claims(0).await;
    assert!(slow.iter().all(|held| *held < 8), "half a batch, and those that run or are being settled: {slow:?}");
    let slow_later = held_at_claims(100).await;
    let (_, later) = slow_later.split_at(slow_later.len() / 2 + 2);
    assert!(slow_later.contains(&8) && later.iter().all(|held| *held < 8), "{slow_later:?}");
}

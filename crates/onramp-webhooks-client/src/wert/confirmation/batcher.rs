//! The task that checks purchases in batches: those that gather during a request go into the next one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use onramp_webhooks::event::CompletedPurchase;
use onramp_webhooks::inbox::DeliveryId;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::history::History;
use super::outage::Outage;
use super::queue::{Queue, Turn};
use crate::error::ClientError;
use crate::wert::{Verdict, WertDataApi};

/// A purchase to check, with the channel for its result.
pub(super) struct Check {
    pub(super) delivery: DeliveryId,
    pub(super) turn: Turn,
    pub(super) purchase: CompletedPurchase,
    pub(super) sender: oneshot::Sender<Checked>,
    /// The place among the repeated checks.
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

/// The result of a check.
pub(super) struct Checked {
    pub(super) verdict: Verdict,
    /// The pause before the provider should be queried again.
    pub(super) backoff: Duration,
}

/// Runs checks until the channel is closed.
///
/// After a failure, no request is made for the provider's `retry-after`, and at least for `min_backoff`. Checks during that time
/// fail with the same error. Then a single check probes the provider while the others still fail, so that a provider that does not
/// respond blocks one attempt instead of all attempts of a worker.
pub(super) async fn run(
    api: WertDataApi,
    min_backoff: Duration,
    history: Arc<Mutex<History>>,
    mut checks: mpsc::UnboundedReceiver<Check>,
) {
    let mut outage: Option<Outage> = None;
    let mut queue = Queue::default();
    while gather(&mut queue, &mut checks).await {
        let mut batch = queue.next_batch();
        if let Some(outage) = &outage {
            let remaining = outage.remaining(api.clock().now());
            let rejected = batch.split_off(if remaining.is_some() { 0 } else { 1.min(batch.len()) });
            let rejected = rejected.into_iter().chain(queue.drain());
            rejected.for_each(|check| outage.reject(check, remaining.unwrap_or(min_backoff)));
        }
        if batch.is_empty() {
            continue;
        }
        let purchases: Vec<_> = batch.iter().map(|check| check.purchase.clone()).collect();
        let verdicts = api.confirm(&purchases);
        let verdicts = match &outage {
            None => verdicts.await,
            Some(outage) => outage.reject_during(&mut checks, min_backoff, verdicts).await,
        };
        outage = verdicts.iter().find_map(outage_error).map(|error| Outage::new(error, api.clock().now(), min_backoff));
        let backoff = outage.as_ref().map_or(Duration::ZERO, Outage::backoff);
        for (check, verdict) in batch.into_iter().zip(verdicts) {
            history.lock().unwrap_or_else(PoisonError::into_inner).note(check.delivery, &verdict);
            check.finish(verdict, backoff);
        }
    }
}

/// Moves the checks of the channel to the queue. Waits for one if there is none, and returns `false` if there will be none.
async fn gather(queue: &mut Queue, checks: &mut mpsc::UnboundedReceiver<Check>) -> bool {
    if queue.is_empty() {
        let Some(first) = checks.recv().await else { return false };
        queue.push(first);
    }
    // Yields, so that tasks that are ready can add their checks to this batch.
    tokio::task::yield_now().await;
    while let Ok(check) = checks.try_recv() {
        queue.push(check);
    }
    true
}

fn outage_error(verdict: &Verdict) -> Option<Arc<ClientError>> {
    match verdict {
        Verdict::ProviderUnavailable(error) => Some(Arc::clone(error)),
        _ => None,
    }
}

impl Check {
    /// Sends the result. Cannot be delivered if the delivery no longer waits for it.
    pub(super) fn finish(self, verdict: Verdict, backoff: Duration) {
        let backoff = if matches!(verdict, Verdict::ProviderUnavailable(_)) { backoff } else { Duration::ZERO };
        let _ = self.sender.send(Checked { verdict, backoff });
    }
}

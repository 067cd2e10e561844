//! The task that checks purchases in batches: those that gather during a request go into the next one.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::event::CompletedPurchase;
use tokio::sync::{mpsc, oneshot};

use super::outage::Outage;
use crate::error::ClientError;
use crate::wert::query::MAX_PAGE_SIZE;
use crate::wert::{Verdict, WertDataApi};

/// A purchase to check, with the channel for its result.
pub(super) struct Check {
    pub(super) purchase: CompletedPurchase,
    pub(super) sender: oneshot::Sender<Checked>,
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
pub(super) async fn run(api: WertDataApi, min_backoff: Duration, mut checks: mpsc::UnboundedReceiver<Check>) {
    let mut outage: Option<Outage> = None;
    while let Some(first) = checks.recv().await {
        // Yields, so that tasks that are ready can add their checks to this batch.
        tokio::task::yield_now().await;
        let mut batch = gather(first, &mut checks);
        if let Some(outage) = &outage {
            let remaining = outage.remaining(api.clock().now());
            let rejected = batch.split_off(if remaining.is_some() { 0 } else { 1.min(batch.len()) });
            rejected.into_iter().for_each(|check| outage.reject(check, remaining.unwrap_or(min_backoff)));
        }
        if batch.is_empty() {
            continue;
        }
        let (purchases, senders): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|Check { purchase, sender }| (purchase, sender)).unzip();
        let verdicts = api.confirm(&purchases);
        let verdicts = match &outage {
            None => verdicts.await,
            Some(outage) => outage.reject_during(&mut checks, min_backoff, verdicts).await,
        };
        outage = verdicts.iter().find_map(outage_error).map(|error| Outage::new(error, api.clock().now(), min_backoff));
        let backoff = outage.as_ref().map_or(Duration::ZERO, Outage::backoff);
        for ((purchase, sender), verdict) in purchases.into_iter().zip(senders).zip(verdicts) {
            Check { purchase, sender }.finish(verdict, backoff);
        }
    }
}

/// Returns the next batch, without the checks whose delivery no longer waits.
fn gather(first: Check, checks: &mut mpsc::UnboundedReceiver<Check>) -> Vec<Check> {
    let waiting = std::iter::from_fn(|| checks.try_recv().ok());
    std::iter::once(first).chain(waiting).filter(|check| !check.sender.is_closed()).take(MAX_PAGE_SIZE).collect()
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

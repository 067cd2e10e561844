//! The circuit breaker: after a failure, checks fail without a request until the provider may be queried again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use tokio::sync::mpsc;

use super::batcher::Check;
use crate::error::ClientError;
use crate::wert::Verdict;

/// A failure of the provider, and the time for which no request is made.
pub(super) struct Outage {
    error: Arc<ClientError>,
    since: Timestamp,
    backoff: Duration,
}

impl Outage {
    pub(super) fn new(error: Arc<ClientError>, since: Timestamp, min_backoff: Duration) -> Self {
        let backoff = error.retry_after().unwrap_or_default().max(min_backoff);
        if error.is_transient() {
            tracing::warn!(%error, ?backoff, "purchases cannot be confirmed and are parked");
        } else {
            tracing::error!(%error, ?backoff, "purchases cannot be confirmed until the error is fixed, and are parked");
        }
        Self { error, since, backoff }
    }

    pub(super) const fn backoff(&self) -> Duration {
        self.backoff
    }

    /// Fails a check without a request.
    pub(super) fn reject(&self, check: Check, backoff: Duration) {
        check.finish(Verdict::ProviderUnavailable(Arc::clone(&self.error)), backoff);
    }

    /// Waits for `probe`, and rejects the checks that arrive meanwhile.
    pub(super) async fn reject_during<T>(
        &self,
        checks: &mut mpsc::UnboundedReceiver<Check>,
        backoff: Duration,
        probe: impl Future<Output = T>,
    ) -> T {
        let mut probe = pin!(probe);
        loop {
            tokio::select! {
                biased;
                result = &mut probe => return result,
                Some(check) = checks.recv() => self.reject(check, backoff),
            }
        }
    }

    /// Returns the time until the provider may be queried again, or `None` if it may be now. A clock that was set back ends the outage.
    pub(super) fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let remaining = self.backoff.saturating_sub(now.since(self.since));
        (now >= self.since && !remaining.is_zero()).then_some(remaining)
    }
}

//! A request that runs and holds its key.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::finish::keep;
use super::kept::KeptReply;
use super::{Claim, STORE_TIME, Shared};
use crate::store_error::{StoreError, StoreErrorKind};

/// A request that runs and holds its key. Dropped before it is [finished](Self::finish), because the route panicked or the client
/// went away, it releases the key. Dropped while the reply to a success is read, it keeps the key without that reply: the route has
/// done its work.
#[must_use = "dropping it releases the key"]
#[derive(Debug)]
pub struct Running {
    pub(super) shared: Arc<Shared>,
    /// `None`: it holds nothing, or has given it up.
    pub(super) claim: Option<Claim>,
    pub(super) keep: Duration,
    /// Once the route has said that it succeeded: what is kept if its client goes away before all of its reply is there.
    pub(super) succeeded: Option<KeptReply>,
}

impl Running {
    pub(super) fn of_claim(shared: &Arc<Shared>, claim: Claim, keep: Duration) -> Self {
        Self { shared: Arc::clone(shared), claim: Some(claim), keep, succeeded: None }
    }

    /// One that is never the same as another.
    pub(super) fn of_any(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), claim: None, keep: shared.keep, succeeded: None }
    }

    /// Awaits what the route does, and renews the lease while it does it.
    pub async fn watch<F: Future>(&self, route: F) -> F::Output {
        let mut route = pin!(route);
        tokio::select! {
            biased;
            answer = &mut route => answer,
            // Without a lease to renew, the route goes on alone.
            () = self.renew() => route.await,
        }
    }

    /// Returns when there is nothing to renew any more.
    async fn renew(&self) {
        let Some(claim) = self.claim else { return };
        loop {
            let clock = &self.shared.clock;
            clock.sleep_until(clock.now().after(self.shared.lease / 3)).await;
            let renewing = self.shared.store.renew(claim, clock.now().after(self.shared.lease));
            // One that hangs leaves time for another before the lease ends.
            match in_time(self.shared.lease / 6, "renew an idempotency key", renewing).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!(key = %claim.key, "a request lost its idempotency key while it ran; another may run, too");
                    return;
                }
                Err(error) => tracing::warn!(%error, key = %claim.key, "an idempotency key could not be renewed"),
            }
        }
    }

    /// Gives the key up; after a while, beside the caller.
    pub(super) async fn release(mut self) {
        let Some(claim) = self.claim else { return };
        // Once it has ended, the drop need not do it again; until then, and when the store does not answer, it must.
        if let Ok(released) = timeout(STORE_TIME, self.shared.store.release(claim)).await {
            told(claim, released);
            self.claim = None;
        }
    }

    /// Knows that the key is not held.
    pub(super) fn forget(mut self) {
        self.claim = None;
    }
}

/// A call that does not return in time counts as one of a store that is away, and may have happened; it can be made again.
pub(super) async fn in_time<T>(
    time: Duration,
    what: &'static str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(time, call).await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable, what)))
}

fn told(claim: Claim, released: Result<bool, StoreError>) {
    if let Err(error) = released {
        tracing::warn!(%error, key = %claim.key, "an idempotency key could not be released; it is free when its lease ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        let (shared, expires_at) = (Arc::clone(&self.shared), self.shared.clock.now().after(self.keep));
        let succeeded = self.succeeded.take().filter(|_| !std::thread::panicking());
        // Outside of a runtime nobody can do it, and the lease ends by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                match succeeded {
                    Some(reply) => keep(&shared, claim, reply.encode(), expires_at).await,
                    None => told(claim, shared.store.release(claim).await),
                }
            });
        }
    }
}

//! The guard of a key: a request that runs and holds it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, sleep, timeout};

use super::stored_body::{Read, StoredBody, read};
use super::stored_reply::StoredReply;
use super::{KeyLease, STORE_TIME, Shared};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::request::Headers;
use crate::timeout::within;

/// Pause between two tries to store a reply.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// A running request that holds its key.
///
/// Dropped before [`store`](Self::store), because the route panicked or the client went away, it releases the key. Dropped while the
/// body of a success is read, it keeps the key without a reply, because the route has done its work.
#[must_use = "dropping it releases the key"]
#[derive(Debug)]
pub struct KeyGuard {
    shared: Arc<Shared>,
    /// `None` if it holds nothing, or has given it up.
    lease: Option<KeyLease>,
    keep: Duration,
    /// The reply to store if the client goes away, once the route has succeeded.
    succeeded: Option<StoredReply>,
}

impl KeyGuard {
    pub(super) fn of(shared: &Arc<Shared>, lease: KeyLease, keep: Duration) -> Self {
        Self { shared: Arc::clone(shared), lease: Some(lease), keep, succeeded: None }
    }

    /// Creates the guard of a request without a key.
    pub(super) fn without_key(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), lease: None, keep: shared.keep, succeeded: None }
    }

    /// Awaits the route and renews the lease meanwhile.
    pub async fn run<F: Future>(&self, route: F) -> F::Output {
        let mut route = pin!(route);
        tokio::select! {
            biased;
            answer = &mut route => answer,
            // Without a lease to renew, the route goes on alone.
            () = self.renew() => route.await,
        }
    }

    /// Renews the lease until there is nothing to renew any more.
    async fn renew(&self) {
        let Some(lease) = self.lease else { return };
        loop {
            let clock = &self.shared.clock;
            clock.sleep_until(clock.now().after(self.shared.lease / 3)).await;
            let renewing = self.shared.store.renew(lease, clock.now().after(self.shared.lease));
            // A call that hangs leaves time for another before the lease ends.
            match within(self.shared.lease / 6, "renew an idempotency key", renewing).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!(key = %lease.key, "a request lost its idempotency key while it ran; another may run too");
                    return;
                }
                Err(error) => tracing::warn!(%error, key = %lease.key, "an idempotency key could not be renewed"),
            }
        }
    }

    /// Ends the request with the answer of the route. Stores the reply of a success; releases the key if the answer is no success or
    /// its body breaks off. The head of the answer stays with the caller.
    ///
    /// A reply that cannot be stored because the store is away still reaches its client, because its work has happened.
    ///
    /// Dropping the future before the body of a success was read keeps the key without a reply, because the route must not run again.
    pub fn store<S, E>(
        mut self,
        status: u16,
        headers: &dyn Headers,
        body: S,
    ) -> impl Future<Output = StoredBody<S, E>> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let is_success = (200..300).contains(&status);
        let kept = if self.lease.is_some() && is_success { self.stored_headers(headers) } else { Vec::new() };
        let reply = StoredReply { status, headers: kept, body: None };
        self.succeeded = is_success.then(|| reply.clone());
        async move {
            if self.lease.is_none() {
                return StoredBody::Untouched(body);
            }
            if !is_success {
                self.release().await;
                return StoredBody::Untouched(body);
            }
            // A route that streams its reply has not ended yet.
            match self.run(read(body, self.shared.reply_limit)).await {
                Read::Whole(body) => {
                    self.complete(StoredReply { body: Some(body.clone()), ..reply }).await;
                    StoredBody::Whole(body)
                }
                Read::TooLarge(rejoined) => {
                    tracing::warn!(limit = self.shared.reply_limit, "a reply is too large to be stored");
                    self.complete(reply).await;
                    StoredBody::Rejoined(rejoined)
                }
                Read::Broken(rejoined) => {
                    self.succeeded = None;
                    self.release().await;
                    StoredBody::Rejoined(rejoined)
                }
            }
        }
    }

    fn stored_headers(&self, headers: &dyn Headers) -> Vec<(String, Vec<u8>)> {
        let mut kept = Vec::new();
        headers.each(&mut |name, value| {
            if self.shared.kept_headers.iter().any(|wanted| wanted == name) {
                kept.push((name.to_owned(), value.to_vec()));
            }
        });
        kept
    }

    async fn complete(mut self, reply: StoredReply) {
        let Some(lease) = self.lease.take() else { return };
        let (shared, expires_at) = (Arc::clone(&self.shared), self.shared.clock.now().after(self.keep));
        let mut completing = Box::pin(async move { complete(&shared, lease, reply.encode(), expires_at).await });
        // A store in memory is done at once, and a task for it would cost more than the rest of the middleware.
        if poll_fn(|cx| Poll::Ready(completing.as_mut().poll(cx).is_ready())).await {
            return;
        }
        // The work has happened: neither a client that goes away nor a short outage of the store may undo it. The client does not wait
        // for a store that is away.
        let _ = timeout(STORE_TIME, tokio::spawn(completing)).await;
    }

    /// Releases the key. Continues in the background if the store is slow.
    async fn release(mut self) {
        let Some(lease) = self.lease else { return };
        // The drop releases the key too, unless this has done it.
        if let Ok(released) = timeout(STORE_TIME, self.shared.store.release(lease)).await {
            log_release(lease, released);
            self.lease = None;
        }
    }

    /// Notes that the key is not held.
    pub(super) fn forget(mut self) {
        self.lease = None;
    }
}

/// Stores a reply. Tries until the lease would end.
async fn complete(shared: &Shared, lease: KeyLease, reply: Bytes, expires_at: Timestamp) {
    let begun = Instant::now();
    loop {
        let completing = shared.store.complete(lease, reply.clone(), expires_at);
        match within(shared.lease / 3, "store a reply", completing).await {
            Ok(true) => return,
            Ok(false) => {
                tracing::error!(key = %lease.key, "a request lost its idempotency key; its reply was not stored");
                return;
            }
            Err(error) if begun.elapsed() < shared.lease => {
                tracing::warn!(%error, key = %lease.key, "a reply could not be stored yet");
                sleep(TRY_AGAIN).await;
            }
            Err(error) => {
                tracing::error!(%error, key = %lease.key, "a reply could not be stored; the same request may run again");
                return;
            }
        }
    }
}

fn log_release(lease: KeyLease, released: Result<bool, StoreError>) {
    if let Err(error) = released {
        tracing::warn!(%error, key = %lease.key, "an idempotency key could not be released; it is free when its lease ends");
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let (shared, expires_at) = (Arc::clone(&self.shared), self.shared.clock.now().after(self.keep));
        let succeeded = self.succeeded.take().filter(|_| !std::thread::panicking());
        // Outside of a runtime the lease ends by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                match succeeded {
                    Some(reply) => complete(&shared, lease, reply.encode(), expires_at).await,
                    None => log_release(lease, shared.store.release(lease).await),
                }
            });
        }
    }
}

//! The guard of a key, which holds the key while its request runs.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, sleep, timeout};

use super::stored_body::{Read, StoredBody, read};
use super::stored_reply::ReplyHead;
use super::{KeyLease, STORE_TIME, Shared};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::request::Headers;
use crate::timeout::within;

/// Pause between two attempts to store a reply.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The guard of an idempotency key, which belongs to one running request.
///
/// Dropping it before [`store`](Self::store), because the route panicked or the client disconnected, releases the key. Dropping it
/// while the body of a successful response is being read keeps the key without a reply, because the route has done its work.
#[must_use = "dropping it releases the key"]
pub struct KeyGuard {
    shared: Arc<Shared>,
    /// `None` if the request has no key, or holds it no longer.
    lease: Option<KeyLease>,
    keep: Duration,
    /// The reply to store without its body if the client disconnects. Set once the route has succeeded.
    succeeded: Option<ReplyHead>,
}

impl fmt::Debug for KeyGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyGuard").field("shared", &self.shared).field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl KeyGuard {
    pub(super) fn of(shared: &Arc<Shared>, lease: KeyLease, keep: Duration) -> Self {
        Self { shared: Arc::clone(shared), lease: Some(lease), keep, succeeded: None }
    }

    /// Creates the guard of a request without a key.
    pub(super) fn without_key(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), lease: None, keep: shared.keep, succeeded: None }
    }

    /// Awaits the route, and renews the lease until the route completes.
    pub async fn run<F: Future>(&self, route: F) -> F::Output {
        let mut route = pin!(route);
        tokio::select! {
            biased;
            answer = &mut route => answer,
            // There is no lease to renew any more. The route continues without one.
            () = self.renew() => route.await,
        }
    }

    /// Renews the lease periodically. Returns if the lease is lost, or if there is none.
    async fn renew(&self) {
        let Some(lease) = self.lease else { return };
        loop {
            let clock = &self.shared.clock;
            clock.sleep_until(clock.now().after(self.shared.lease / 3)).await;
            let renewing = self.shared.store.renew(lease, clock.now().after(self.shared.lease));
            // The time limit leaves time for a second call before the lease ends.
            match within(self.shared.lease / 6, "renew an idempotency key", renewing).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!(key = %lease.key, "a request lost its idempotency key while it ran; another request may be running too");
                    return;
                }
                Err(error) => tracing::warn!(%error, key = %lease.key, "an idempotency key could not be renewed"),
            }
        }
    }

    /// Ends the request with the route's response. Stores a successful response, unless it is a stream that its client has to get as it
    /// comes. Releases the key if the response is not successful or its body breaks off. The caller keeps the head of the response.
    ///
    /// If the store is unavailable, the reply still reaches its client, because the route has done its work.
    ///
    /// Dropping the future before the body of a successful response was read keeps the key without a reply, because the route must
    /// not run again.
    pub fn store<S, E>(
        mut self,
        status: u16,
        headers: &dyn Headers,
        body: S,
    ) -> impl Future<Output = StoredBody<S, E>> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let is_success = is_success(status);
        let is_stream = is_success && is_stream(headers);
        if is_success && self.lease.is_some() {
            let kept = &self.shared.kept_headers;
            self.succeeded = Some(ReplyHead::new(status, headers, |name| kept.iter().any(|kept| kept == name)));
        }
        async move {
            if self.lease.is_none() {
                return StoredBody::Untouched(body);
            }
            if !is_success {
                self.release().await;
                return StoredBody::Untouched(body);
            }
            if is_stream {
                self.complete(None).await;
                return StoredBody::Untouched(body);
            }
            // A route that streams its reply has not ended yet.
            match self.run(read(body, self.shared.reply_limit)).await {
                Read::Whole(body) => {
                    self.complete(Some(&body)).await;
                    StoredBody::Whole(body)
                }
                Read::TooLarge(rejoined) => {
                    tracing::warn!(limit = self.shared.reply_limit, "a reply is too large to be stored");
                    self.complete(None).await;
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

    /// Stores the reply of a success, with its body if it can be replayed.
    async fn complete(mut self, body: Option<&[u8]>) {
        let Some((lease, head)) = self.lease.take().zip(self.succeeded.take()) else { return };
        let reply = head.with(body);
        let (shared, expires_at) = (Arc::clone(&self.shared), self.shared.clock.now().after(self.keep));
        let mut completing = Box::pin(async move { complete(&shared, lease, reply, expires_at).await });
        // A store in memory completes at the first poll. Spawning a task for it would cost more than the rest of the middleware.
        if poll_fn(|cx| Poll::Ready(completing.as_mut().poll(cx).is_ready())).await {
            return;
        }
        // The route has done its work, so the reply must be stored even if the client disconnects or the store is unavailable for a
        // moment. The client does not wait for an unavailable store.
        let _ = timeout(STORE_TIME, tokio::spawn(completing)).await;
    }

    /// Releases the key. Continues in the background if the store is slow.
    async fn release(mut self) {
        let Some(lease) = self.lease else { return };
        // If the store does not answer in time, dropping the guard releases the key in the background.
        if let Ok(released) = timeout(STORE_TIME, self.shared.store.release(lease)).await {
            log_release(lease, released);
            self.lease = None;
        }
    }

    /// Drops the guard without releasing the key, because the request does not hold it.
    pub(super) fn forget(mut self) {
        self.lease = None;
    }
}

/// Returns `true` if a status says that the route has done its work: 2xx, and redirects to the result of a `POST`.
fn is_success(status: u16) -> bool {
    matches!(status, 200..=299 | 301 | 302 | 303)
}

/// Media types whose bodies may never end, or end with trailers, which cannot be stored.
const STREAMS: [&str; 5] =
    ["application/grpc", "application/json-seq", "application/x-ndjson", "multipart/x-mixed-replace", "text/event-stream"];

/// Returns `true` if a response has no end to wait for, or announces trailers.
fn is_stream(headers: &dyn Headers) -> bool {
    let mut is_stream = false;
    headers.each(&mut |name, value| {
        let starts_with =
            |stream: &&str| value.get(..stream.len()).is_some_and(|start| start.eq_ignore_ascii_case(stream.as_bytes()));
        is_stream |= name == "trailer" || (name == "content-type" && STREAMS.iter().any(starts_with));
    });
    is_stream
}

/// Stores a reply. Retries until the lease would have ended.
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
        tracing::warn!(%error, key = %lease.key, "an idempotency key could not be released; it becomes free when its lease ends");
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let (shared, expires_at) = (Arc::clone(&self.shared), self.shared.clock.now().after(self.keep));
        let succeeded = self.succeeded.take().filter(|_| !std::thread::panicking());
        // Outside of a runtime, the key becomes free when its lease ends.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                match succeeded {
                    Some(head) => complete(&shared, lease, head.with(None), expires_at).await,
                    None => log_release(lease, shared.store.release(lease).await),
                }
            });
        }
    }
}

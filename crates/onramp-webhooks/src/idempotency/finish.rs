//! From what a route answers to what is kept of it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::time::{Instant, sleep, timeout};

use super::kept::KeptReply;
use super::running::in_time;
use super::{Claim, Running, STORE_TIME, Shared};
use crate::body::{self, Whole};
use crate::clock::Timestamp;
use crate::request::Headers;

/// Between two tries to keep a reply.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The body of a route's answer, after it was read to be kept.
#[must_use = "the client waits for it"]
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "an adapter has to know all")]
pub enum Finished<S, E> {
    /// The body as it was; nothing of it was read.
    Untouched(S),
    /// All of the body, which was kept.
    Whole(Bytes),
    /// What was read of the body, and the rest of it: it is too large to keep, or broke off.
    Rejoined(Rejoined<S, E>),
}

/// Chunks that were read, and the stream that they were read from.
#[derive(Debug)]
pub struct Rejoined<S, E> {
    read: VecDeque<Result<Bytes, E>>,
    rest: Pin<Box<S>>,
}

impl<S, E> Stream for Rejoined<S, E>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Unpin,
{
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.read.pop_front() {
            Some(chunk) => Poll::Ready(Some(chunk)),
            None => Poll::Ready(ready!(self.rest.as_mut().poll_next(cx))),
        }
    }
}

impl Running {
    /// Ends the request with what the route answered: keeps the reply if it is a success, and releases the key if it is none, or
    /// if its body breaks off. The head of the answer stays with the caller, and so does everything of the answer that is not
    /// replayed.
    ///
    /// A reply that cannot be kept, because the store is away, still reaches its client: what it says has happened.
    ///
    /// Dropping the future before the body of a success was read keeps the key, without a reply: the route has done its work, and
    /// must not run again.
    pub fn finish<S, E>(mut self, status: u16, headers: &dyn Headers, body: S) -> impl Future<Output = Finished<S, E>> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        let is_success = (200..300).contains(&status);
        let kept = if self.claim.is_some() && is_success { self.kept(headers) } else { Vec::new() };
        let reply = KeptReply { status, headers: kept, body: None };
        self.succeeded = is_success.then(|| reply.clone());
        async move {
            if self.claim.is_none() {
                return Finished::Untouched(body);
            }
            if !is_success {
                self.release().await;
                return Finished::Untouched(body);
            }
            // A route that streams its reply is not over yet.
            match self.watch(read(body, self.shared.reply_limit)).await {
                Read::Whole(body) => {
                    self.keep(KeptReply { body: Some(body.clone()), ..reply }).await;
                    Finished::Whole(body)
                }
                Read::TooLarge(rejoined) => {
                    tracing::warn!(limit = self.shared.reply_limit, "a reply is too large to be kept");
                    self.keep(reply).await;
                    Finished::Rejoined(rejoined)
                }
                Read::Broken(rejoined) => {
                    self.succeeded = None;
                    self.release().await;
                    Finished::Rejoined(rejoined)
                }
            }
        }
    }

    /// The same for a body that is there already.
    pub fn finish_whole(
        self,
        status: u16,
        headers: &dyn Headers,
        body: Bytes,
    ) -> impl Future<Output = Finished<Whole, Infallible>> + use<> {
        self.finish(status, headers, body::whole(body))
    }

    fn kept(&self, headers: &dyn Headers) -> Vec<(String, Vec<u8>)> {
        let mut kept = Vec::new();
        headers.each(&mut |name, value| {
            if self.shared.kept_headers.iter().any(|wanted| wanted == name) {
                kept.push((name.to_owned(), value.to_vec()));
            }
        });
        kept
    }

    async fn keep(mut self, reply: KeptReply) {
        let Some(claim) = self.claim.take() else { return };
        let (shared, expires_at) = (Arc::clone(&self.shared), self.shared.clock.now().after(self.keep));
        let mut keeping = Box::pin(async move { keep(&shared, claim, reply.encode(), expires_at).await });
        // A store in memory is done at once, and a task for it would cost more than the rest of the middleware.
        if poll_fn(|cx| Poll::Ready(keeping.as_mut().poll(cx).is_ready())).await {
            return;
        }
        // What the key stands for has happened: that the client goes away now, or the store for a moment, must not undo it. The
        // client need not wait for a store that is away.
        let _ = timeout(STORE_TIME, tokio::spawn(keeping)).await;
    }
}

/// Tries until the lease would end.
pub(super) async fn keep(shared: &Shared, claim: Claim, reply: Bytes, expires_at: Timestamp) {
    let begun = Instant::now();
    loop {
        let completing = shared.store.complete(claim, reply.clone(), expires_at);
        match in_time(shared.lease / 3, "keep a reply", completing).await {
            Ok(true) => return,
            Ok(false) => {
                tracing::error!(key = %claim.key, "a request lost its idempotency key; its reply was not kept");
                return;
            }
            Err(error) if begun.elapsed() < shared.lease => {
                tracing::warn!(%error, key = %claim.key, "a reply could not be kept yet");
                sleep(TRY_AGAIN).await;
            }
            Err(error) => {
                tracing::error!(%error, key = %claim.key, "a reply could not be kept; the same request may run again");
                return;
            }
        }
    }
}

enum Read<S, E> {
    Whole(Bytes),
    TooLarge(Rejoined<S, E>),
    Broken(Rejoined<S, E>),
}

async fn read<S, E>(body: S, limit: usize) -> Read<S, E>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let mut rejoined = Rejoined { read: VecDeque::new(), rest: Box::pin(body) };
    let mut size = 0;
    loop {
        match poll_fn(|cx| rejoined.rest.as_mut().poll_next(cx)).await {
            None => return Read::Whole(joined(rejoined.read)),
            Some(Ok(chunk)) => {
                size += chunk.len();
                rejoined.read.push_back(Ok(chunk));
                if size > limit {
                    return Read::TooLarge(rejoined);
                }
            }
            Some(Err(error)) => {
                rejoined.read.push_back(Err(error));
                return Read::Broken(rejoined);
            }
        }
    }
}

/// One chunk is not copied.
fn joined<E>(chunks: VecDeque<Result<Bytes, E>>) -> Bytes {
    let mut chunks = chunks.into_iter().flatten();
    match (chunks.next(), chunks.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only,
        (Some(first), Some(second)) => {
            let mut all = BytesMut::from(first);
            all.extend_from_slice(&second);
            chunks.for_each(|chunk| all.extend_from_slice(&chunk));
            all.freeze()
        }
    }
}

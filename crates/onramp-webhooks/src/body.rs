//! Reading a request body up to a limit and a deadline.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::time::Instant;

/// Default limit of a body, in bytes.
pub(crate) const DEFAULT_LIMIT: usize = 1 << 20;

/// Default time limit for receiving a body.
pub(crate) const DEFAULT_TIME: Duration = Duration::from_secs(3);

/// Maximum number of bytes to read from a body that is too large, as a multiple of the limit. Bytes over the limit are read and
/// dropped, because a sender that is still writing does not read the reply.
const DRAINED: usize = 16;

/// The result of reading a body.
#[derive(Debug)]
pub(crate) enum Taken {
    /// The whole body.
    Whole(Bytes),
    /// The first `limit` bytes of a longer body.
    Cut(Bytes),
    /// The body broke off or did not end before the deadline.
    Stopped,
}

/// Reads a body and keeps at most `limit` bytes of it.
pub(crate) async fn take<S, E>(body: S, limit: usize, deadline: Instant) -> Taken
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let mut kept = Kept::default();
    let ended = tokio::time::timeout_at(deadline, collect(body, limit, &mut kept)).await;
    match ended {
        // The kept part is complete, so it does not matter how the rest ended.
        _ if kept.total > limit => Taken::Cut(kept.freeze()),
        Ok(Ok(())) => Taken::Whole(kept.freeze()),
        Ok(Err(_)) | Err(_) => Taken::Stopped,
    }
}

async fn collect<S, E>(body: S, limit: usize, kept: &mut Kept) -> Result<(), E>
where
    S: Stream<Item = Result<Bytes, E>>,
{
    let mut body = pin!(body);
    while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let mut chunk = chunk?;
        let room = limit.saturating_sub(kept.total);
        kept.total = kept.total.saturating_add(chunk.len());
        if room > 0 {
            chunk.truncate(room);
            kept.push(chunk);
        }
        if kept.total > limit.saturating_mul(DRAINED) {
            break;
        }
    }
    Ok(())
}

/// The chunks received so far, joined. A single chunk is not copied.
#[derive(Default)]
struct Kept {
    /// Bytes received, kept or not.
    total: usize,
    first: Bytes,
    joined: BytesMut,
}

impl Kept {
    fn push(&mut self, chunk: Bytes) {
        if self.first.is_empty() {
            self.first = chunk;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&chunk);
    }

    fn freeze(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

/// A body that has been read already, as a stream of one chunk.
pub struct Full(Option<Bytes>);

impl Full {
    /// Creates a stream that yields `body`.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self(Some(body.into()))
    }
}

impl fmt::Debug for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Full").field(&self.0.as_ref().map(Hidden)).finish()
    }
}

/// Shows only the size of a body, because bodies hold personal data.
pub(crate) struct Hidden<'a>(pub(crate) &'a Bytes);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Stream for Full {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A stream of chunks that ends if the flag is set, and never ends otherwise.
    struct Chunks(VecDeque<Result<Bytes, ()>>, bool);

    impl Stream for Chunks {
        type Item = Result<Bytes, ()>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.0.pop_front() {
                None if !self.1 => Poll::Pending,
                next => Poll::Ready(next),
            }
        }
    }

    fn chunks(parts: &[&'static [u8]]) -> VecDeque<Result<Bytes, ()>> {
        parts.iter().map(|part| Ok(Bytes::from_static(part))).collect()
    }

    async fn taken(parts: VecDeque<Result<Bytes, ()>>, ends: bool, limit: usize) -> Taken {
        take(Chunks(parts, ends), limit, Instant::now() + Duration::from_secs(4)).await
    }

    #[tokio::test(start_paused = true)]
    async fn chunks_are_joined_up_to_the_limit() {
        for parts in [&[b"abcdef".as_slice()][..], &[b"ab", b"", b"c", b"def"]] {
            assert!(matches!(taken(chunks(parts), true, 6).await, Taken::Whole(body) if body == "abcdef"));
            assert!(matches!(taken(chunks(parts), true, 5).await, Taken::Cut(body) if body == "abcde"));
        }
        assert!(matches!(taken(chunks(&[]), true, 5).await, Taken::Whole(body) if body.is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupted_or_endless_body_is_reported_as_stopped() {
        let mut broken = chunks(&[b"abc"]);
        broken.push_back(Err(()));
        assert!(matches!(taken(broken, true, 5).await, Taken::Stopped));
        assert!(matches!(taken(chunks(&[b"abc"]), false, 5).await, Taken::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_over_the_limit_is_cut_even_if_it_breaks_off() {
        let mut broken = chunks(&[b"abc", b"def"]);
        broken.push_back(Err(()));
        assert!(matches!(taken(broken, true, 5).await, Taken::Cut(body) if body == "abcde"));
        assert!(matches!(taken(chunks(&[b"abc", b"def"]), false, 5).await, Taken::Cut(body) if body == "abcde"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_body_is_read_up_to_a_limit() {
        struct Endless(usize);
        impl Stream for Endless {
            type Item = Result<Bytes, ()>;
            fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.0 += 1;
                assert!(self.0 <= 1 + DRAINED, "read on");
                Poll::Ready(Some(Ok(Bytes::from_static(b"12345"))))
            }
        }
        let taken = take(Endless(0), 5, Instant::now() + Duration::from_secs(4)).await;
        assert!(matches!(taken, Taken::Cut(body) if body == "12345"));
    }
}

//! The body of a route's response, read in order to store it.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::body::Hidden;

/// The body of a route's response, after an attempt to store it.
#[must_use = "the client waits for it"]
#[expect(clippy::exhaustive_enums, reason = "an adapter has to know all variants")]
pub enum StoredBody<S, E> {
    /// The original body, of which nothing was read.
    Untouched(S),
    /// The whole body. It was stored.
    Whole(Bytes),
    /// The part of the body that was read, followed by the rest. The body is too large to store, or broke off.
    Rejoined(Rejoined<S, E>),
}

/// Chunks that were read, and the stream that they were read from.
pub struct Rejoined<S, E> {
    read: Chunks,
    error: Option<E>,
    rest: S,
}

/// Chunks in order. One of them needs no allocation.
#[derive(Default)]
struct Chunks {
    first: Bytes,
    more: VecDeque<Bytes>,
}

impl Chunks {
    fn push(&mut self, chunk: Bytes) {
        if self.first.is_empty() {
            self.first = chunk;
        } else if !chunk.is_empty() {
            self.more.push_back(chunk);
        }
    }

    /// Takes the first chunk.
    fn pop(&mut self) -> Option<Bytes> {
        let next = self.more.pop_front().unwrap_or_default();
        Some(mem::replace(&mut self.first, next)).filter(|chunk| !chunk.is_empty())
    }

    /// Joins the chunks. A single chunk is not copied.
    fn joined(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        let mut all = BytesMut::from(self.first);
        self.more.iter().for_each(|chunk| all.extend_from_slice(chunk));
        all.freeze()
    }
}

/// Leaves out the bodies.
impl<S, E> fmt::Debug for StoredBody<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untouched(_) => f.write_str("Untouched"),
            Self::Whole(body) => f.debug_tuple("Whole").field(&Hidden(body)).finish(),
            Self::Rejoined(rejoined) => rejoined.fmt(f),
        }
    }
}

/// Leaves out the chunks.
impl<S, E> fmt::Debug for Rejoined<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejoined").field("first", &Hidden(&self.read.first)).finish_non_exhaustive()
    }
}

impl<S, E> Stream for Rejoined<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Unpin,
{
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match this.read.pop().map(Ok).or_else(|| this.error.take().map(Err)) {
            Some(read) => Poll::Ready(Some(read)),
            None => Pin::new(&mut this.rest).poll_next(cx),
        }
    }
}

/// The result of reading a body.
pub(super) enum Read<S, E> {
    Whole(Bytes),
    TooLarge(Rejoined<S, E>),
    Broken(Rejoined<S, E>),
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read<S, E>(body: S, limit: usize) -> Read<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut rejoined = Rejoined { read: Chunks::default(), error: None, rest: body };
    let mut size = 0;
    loop {
        match poll_fn(|cx| Pin::new(&mut rejoined.rest).poll_next(cx)).await {
            None => return Read::Whole(rejoined.read.joined()),
            Some(Ok(chunk)) => {
                size += chunk.len();
                rejoined.read.push(chunk);
                if size > limit {
                    return Read::TooLarge(rejoined);
                }
            }
            Some(Err(error)) => {
                rejoined.error = Some(error);
                return Read::Broken(rejoined);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    struct Parts(VecDeque<Bytes>);

    impl Stream for Parts {
        type Item = Result<Bytes, Infallible>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    /// Reads chunks with a limit of four bytes, and returns what the client gets.
    async fn read_and_join(chunks: &[&'static str]) -> (bool, Vec<u8>) {
        let body = Parts(chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())).collect());
        match read(body, 4).await {
            Read::Whole(whole) => (true, whole.to_vec()),
            Read::TooLarge(mut rejoined) | Read::Broken(mut rejoined) => {
                let mut all = Vec::new();
                while let Some(Ok(chunk)) = poll_fn(|cx| Pin::new(&mut rejoined).poll_next(cx)).await {
                    all.extend_from_slice(&chunk);
                }
                (false, all)
            }
        }
    }

    #[tokio::test]
    async fn no_byte_is_lost_however_a_body_is_cut() {
        for (chunks, is_whole) in [
            (&[][..], true),
            (&["abcd"], true),
            (&["", "a", "", "bc", "d", ""], true),
            (&["abcde"], false),
            (&["a", "", "bc", "de", "f", "", "g"], false),
        ] {
            assert_eq!(read_and_join(chunks).await, (is_whole, chunks.concat().into_bytes()), "{chunks:?}");
        }
    }
}

//! The body of a route's response, read in order to store it.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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
    read: VecDeque<Result<Bytes, E>>,
    rest: Pin<Box<S>>,
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
        f.debug_struct("Rejoined").field("chunks", &self.read.len()).finish_non_exhaustive()
    }
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

/// The result of reading a body.
pub(super) enum Read<S, E> {
    Whole(Bytes),
    TooLarge(Rejoined<S, E>),
    Broken(Rejoined<S, E>),
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read<S, E>(body: S, limit: usize) -> Read<S, E>
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

/// Joins chunks. A single chunk is not copied.
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

//! Bodies of requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body of a request, which is sent at once or in pieces.
#[derive(Debug)]
pub(crate) struct Payload {
    rest: Bytes,
    /// The size of a piece, and the pause before each.
    pieces: Option<(usize, Duration)>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Payload {
    /// Creates a body that is sent at once.
    pub(crate) fn new(body: Bytes) -> Self {
        Self { rest: body, pieces: None, pause: None }
    }

    /// Creates a body that is sent in about `number` pieces over `duration`.
    pub(crate) fn trickling(body: Bytes, number: u32, duration: Duration) -> Self {
        let number = number.max(1);
        let size = body.len().div_ceil(usize::try_from(number).unwrap_or(1)).max(1);
        Self { rest: body, pieces: Some((size, duration / number)), pause: None }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let Some((size, pause)) = self.pieces else {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        };
        let waiting = self.pause.get_or_insert_with(|| Box::pin(sleep(pause)));
        if waiting.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.pause = None;
        let size = size.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pieces_are_the_whole_body_and_take_their_time() {
        let begun = Instant::now();
        let payload = Payload::trickling("0123456789".into(), 4, Duration::from_secs(2));
        assert_eq!(payload.size_hint().exact(), Some(10));
        assert_eq!(payload.collect().await.unwrap().to_bytes(), "0123456789");
        assert!((Duration::from_secs(2)..Duration::from_millis(2_100)).contains(&begun.elapsed()), "{:?}", begun.elapsed());

        let begun = Instant::now();
        assert_eq!(Payload::new("0123".into()).collect().await.unwrap().to_bytes(), "0123");
        assert!(Payload::trickling(Bytes::new(), 4, Duration::from_secs(2)).collect().await.unwrap().to_bytes().is_empty());
        assert!(begun.elapsed().is_zero());
    }
}

//! The beginning of a response's body.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// The number of bytes that are kept.
const KEPT: usize = 1_024;

/// The number of bytes that are read so that the connection can be used again. A longer body ends it.
const READ: usize = 64 * 1_024;

/// Time limit for the body.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Reads the beginning of a body. If the rest is long or slow, it is not waited for, and the connection is closed.
pub(super) async fn read(body: impl Body<Data = Bytes>) -> Bytes {
    let mut kept = BytesMut::new();
    let reading = async {
        let mut body = std::pin::pin!(body);
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await
            && read <= READ
        {
            let data = frame.into_data().unwrap_or_default();
            read += data.len();
            let room = KEPT.saturating_sub(kept.len()).min(data.len());
            kept.extend_from_slice(data.get(..room).unwrap_or_default());
        }
    };
    // A body that breaks off or is slow is an excerpt as well.
    let _ = tokio::time::timeout(TIMEOUT, reading).await;
    kept.freeze()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    /// Returns a body of a gigabyte, and counts its pieces.
    fn gigabyte(sent: &std::cell::Cell<usize>) -> impl Body<Data = Bytes> + use<'_> {
        let pieces = (0..1_000_000).map(|_| {
            sent.set(sent.get() + 1);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'x'; 1_000])))
        });
        StreamBody::new(futures_util::stream::iter(pieces))
    }

    #[tokio::test(start_paused = true)]
    async fn a_gigabyte_is_not_read_and_a_slow_body_is_not_waited_for() {
        let sent = std::cell::Cell::new(0);
        assert_eq!(read(gigabyte(&sent)).await.len(), KEPT);
        assert!(sent.get() < 100, "{}", sent.get());

        let begun = tokio::time::Instant::now();
        let slow = crate::http::Payload::trickling("0123456789".into(), 10, Duration::from_secs(10_000));
        assert_eq!(read(slow).await, "");
        assert!(begun.elapsed() <= TIMEOUT + Duration::from_millis(10));
        assert_eq!(read(crate::http::Payload::new("short".into())).await, "short");
    }
}

//! One connection, and its limits of time.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// Time limit for the head of a request: 10 s from its first byte, and for the first one from the beginning of the connection.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// Time limit between a response and the next request: 75 s. Load balancers reuse a connection that was idle for up to 60 s. A shorter limit
/// would close connections that they are about to use.
pub const IDLE_TIME: Duration = Duration::from_secs(75);

/// Serves a connection until it ends. Once `is_stopping` resolves, it ends after the current request, or at once if there is none.
pub(crate) async fn serve<I, S, B>(stream: I, service: S, is_stopping: impl Future<Output = ()>)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = B, Error: Into<Box<dyn Error + Send + Sync>>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let timer = HeadTimer { is_first: AtomicBool::new(true) };
    let mut http = http1::Builder::new();
    let mut connection =
        std::pin::pin!(http.timer(timer).header_read_timeout(IDLE_TIME).serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = is_stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Timer of one connection that shortens the wait for its first head.
///
/// hyper has a single limit for each head, which starts when the last response has been sent, so it is that of an idle connection. A
/// [guarded](crate::guarded) connection ends a later head that has begun.
struct HeadTimer {
    is_first: AtomicBool,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let is_first = self.is_first.swap(false, Ordering::Relaxed);
        let deadline = if is_first { deadline.min(self.now() + HEAD_TIME) } else { deadline };
        TokioTimer::new().sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::Response;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{self, sleep};

    use super::*;

    /// Serves one connection, whose clock stands still while it has something to do.
    fn connect() -> DuplexStream {
        let (client, server) = duplex(4_096);
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new("hello".to_owned())));
        tokio::spawn(serve(server, service, std::future::pending()));
        client
    }

    async fn is_answered(client: &mut DuplexStream) {
        client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "closed");
        }
    }

    /// Returns the time until the server closes the connection.
    async fn closes_after(client: &mut DuplexStream) -> Duration {
        let begun = time::Instant::now();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        begun.elapsed()
    }

    fn is_about(time: Duration, limit: Duration) -> bool {
        (limit..limit + Duration::from_millis(10)).contains(&time)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_idle_for_a_minute_is_served() {
        let mut client = connect();
        for _ in 0..3 {
            is_answered(&mut client).await;
            sleep(Duration::from_secs(65)).await;
        }
        is_answered(&mut client).await;
        assert!(is_about(closes_after(&mut client).await, IDLE_TIME));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_that_does_not_come_or_end_is_not_waited_for() {
        for begun in ["", "POST / HTTP/1.1\r\nhost: sh"] {
            let mut client = connect();
            client.write_all(begun.as_bytes()).await.unwrap();
            assert!(is_about(closes_after(&mut client).await, HEAD_TIME), "{begun}");
        }
    }
}

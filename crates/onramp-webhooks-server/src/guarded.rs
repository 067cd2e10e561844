//! A connection that ends when it is of no use: a head that does not end, and silence while others wait for a place.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::HEAD_TIME;
use crate::places::Place;

/// The time of silence after which a connection without an open request leaves its place to another one.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// The time of an open request after which its connection leaves its place to another one. A receiver responds earlier; this ends bodies
/// that do not arrive, on routes without a limit of time.
const OPEN_TIME: Duration = Duration::from_secs(10);

/// A stream that fails as soon as its connection is of no use. It has a place until it is dropped.
pub(crate) struct Guarded<S> {
    stream: S,
    activity: Arc<Activity>,
    is_useless: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The bytes that have passed, for the future that judges them. A request that was sent before the response to another one counts as
/// answered with it. A request that comes whole does not wake that future, which looks at the time only where there is one to wait for.
struct Activity {
    seen: Mutex<Seen>,
    head_has_begun: Notify,
}

#[derive(Clone, Copy)]
struct Seen {
    stage: Stage,
    last: Instant,
    /// Set while the client does not read what is written.
    is_blocked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No byte of a request has come since the last response.
    Idle,
    /// A head has begun.
    Head { since: Instant, line_is_empty: bool },
    /// A head is complete, and there is no response to it yet.
    Open { since: Instant },
}

impl Stage {
    /// Returns the stage after `bytes` of the client.
    fn after(mut self, bytes: &[u8], now: Instant) -> Self {
        for byte in bytes {
            self = match (self, byte) {
                (Self::Open { .. }, _) => return self,
                // Parsers skip empty lines before a head.
                (Self::Idle, b'\r' | b'\n') => Self::Idle,
                (Self::Idle, _) => Self::Head { since: now, line_is_empty: false },
                (Self::Head { line_is_empty: true, .. }, b'\n') => Self::Open { since: now },
                (Self::Head { since, .. }, b'\n') => Self::Head { since, line_is_empty: true },
                (Self::Head { .. }, b'\r') => self,
                (Self::Head { since, .. }, _) => Self::Head { since, line_is_empty: false },
            };
        }
        self
    }
}

impl Seen {
    /// Returns the time from which on the connection leaves its place to another one.
    fn until(self) -> Instant {
        match self.stage {
            Stage::Open { since } if !self.is_blocked => since + OPEN_TIME,
            _ => self.last + QUIET_TIME,
        }
    }
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, place: Place) -> Self {
        let seen = Seen { stage: Stage::Idle, last: Instant::now(), is_blocked: false };
        let activity = Arc::new(Activity { seen: Mutex::new(seen), head_has_begun: Notify::new() });
        let is_useless = Box::pin(is_useless(Arc::clone(&activity), place));
        Self { stream, activity, is_useless }
    }

    /// Notes what was written of `bytes`, or that nothing can be written.
    fn judged(&mut self, context: &mut Context<'_>, bytes: &[u8], written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                self.activity.blocked();
                self.waiting(context)
            }
            Poll::Ready(Ok(length)) => {
                self.activity.written(bytes.get(..length).unwrap_or(bytes));
                Poll::Ready(Ok(length))
            }
            failed => failed,
        }
    }

    /// Fails if the connection has become useless while it waits.
    fn waiting<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match self.is_useless.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Activity {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, bytes: &[u8]) {
        let (mut seen, now) = (self.seen(), Instant::now());
        let stage = seen.stage.after(bytes, now);
        // Empty lines before a head are silence.
        if stage != Stage::Idle {
            seen.last = now;
        }
        seen.stage = stage;
        if matches!(stage, Stage::Head { .. }) {
            self.head_has_begun.notify_one();
        }
    }

    fn written(&self, bytes: &[u8]) {
        let mut seen = self.seen();
        (seen.last, seen.is_blocked) = (Instant::now(), false);
        if matches!(seen.stage, Stage::Open { .. }) && is_final(bytes) {
            seen.stage = Stage::Idle;
        }
    }

    fn blocked(&self) {
        let mut seen = self.seen();
        if !seen.is_blocked {
            (seen.last, seen.is_blocked) = (Instant::now(), true);
        }
    }
}

/// Returns whether bytes to a client are more than responses such as 100, which ask for the rest of the request.
fn is_final(mut bytes: &[u8]) -> bool {
    while bytes.starts_with(b"HTTP/1.1 1") {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        bytes = end.and_then(|end| bytes.get(end + 4..)).unwrap_or_default();
    }
    !bytes.is_empty()
}

/// Resolves once a connection is of no use.
async fn is_useless(activity: Arc<Activity>, place: Place) {
    tokio::select! {
        () = head_is_late(&activity) => {}
        () = is_in_the_way(&activity, &place) => {}
    }
}

/// Resolves once a head has taken too long.
async fn head_is_late(activity: &Activity) {
    loop {
        let Seen { stage, .. } = *activity.seen();
        let Stage::Head { since, .. } = stage else {
            activity.head_has_begun.notified().await;
            continue;
        };
        let late = since + HEAD_TIME;
        if Instant::now() >= late {
            return;
        }
        // If the head is complete by then, nothing is late.
        sleep_until(late).await;
    }
}

/// Resolves once the connection has to leave its place to another one.
async fn is_in_the_way(activity: &Activity, place: &Place) {
    loop {
        place.is_wanted().await;
        let (until, now) = (activity.seen().until(), Instant::now());
        if now >= until {
            return;
        }
        // A response that is sent meanwhile brings the end nearer.
        sleep_until(until.min(now + QUIET_TIME)).await;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.waiting(context),
            ready => {
                if let Some(bytes) = buffer.filled().get(filled..).filter(|bytes| !bytes.is_empty()) {
                    self.activity.read(bytes);
                }
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judged(context, bytes, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        // The first buffer has the head of a response, and no other one has a whole response.
        self.judged(context, buffers.first().map_or(&[], |buffer| buffer), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(feature = "actix")]
impl<S: actix_rt::net::ActixStream> actix_rt::net::ActixStream for Guarded<S> {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<actix_rt::net::Ready>> {
        self.stream.poll_read_ready(context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<actix_rt::net::Ready>> {
        self.stream.poll_write_ready(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{self, timeout};

    use super::*;
    use crate::places::Places;

    const HALF: &str = "GET /a HTTP/1.1\r\nhost: sh";

    fn stage(parts: &[&str]) -> Stage {
        let now = Instant::now();
        parts.iter().fold(Stage::Idle, |stage, part| stage.after(part.as_bytes(), now))
    }

    #[tokio::test]
    async fn a_head_ends_with_an_empty_line() {
        for parts in
            [&["GET / HTTP/1.1\r\n\r\n"][..], &["GET /\n\n"], &["G", "ET /\r", "\n", "\r", "\n"], &["\r\n\r\nGET /\r\n\r\nbody"]]
        {
            assert!(matches!(stage(parts), Stage::Open { .. }), "{parts:?}");
        }
        for parts in [&[HALF][..], &["GET /\r\n"], &["\r\n\r\nGET /\r\n"], &["GET /\r\nx\n"]] {
            assert!(matches!(stage(parts), Stage::Head { .. }), "{parts:?}");
        }
        assert_eq!(stage(&["\r\n\n"]), Stage::Idle);
    }

    /// Returns the time after which a read fails, when the client has sent `heads`, each answered but the last.
    async fn fails_after(heads: &[&str], is_wanted: bool) -> Option<Duration> {
        let (mut client, server) = duplex(4_096);
        let places = Places::new(1);
        let mut guarded = Guarded::new(server, places.take().await);
        let begun = time::Instant::now();
        let (last, answered) = heads.split_last().unwrap();
        for head in answered {
            client.write_all(head.as_bytes()).await.unwrap();
            guarded.read_exact(&mut vec![0; head.len()]).await.unwrap();
            guarded.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        }
        client.write_all(last.as_bytes()).await.unwrap();
        guarded.read_exact(&mut vec![0; last.len()]).await.unwrap();
        let reading = async { guarded.read_u8().await.unwrap_err().kind() };
        let other = async { if is_wanted { places.take().await } else { std::future::pending().await } };
        let kind = tokio::select! {
            kind = timeout(Duration::from_secs(3_600), reading) => kind.ok()?,
            _ = other => unreachable!("the place is taken"),
        };
        assert_eq!(kind, io::ErrorKind::TimedOut);
        Some(begun.elapsed())
    }

    fn is_about(time: Option<Duration>, limit: Duration) -> bool {
        time.is_some_and(|time| (limit..limit + Duration::from_millis(10)).contains(&time))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_from_its_first_byte() {
        let whole = "GET / HTTP/1.1\r\n\r\n";
        assert!(is_about(fails_after(&[HALF], false).await, HEAD_TIME));
        assert!(is_about(fails_after(&[whole, HALF], false).await, HEAD_TIME));
        assert!(is_about(fails_after(&[whole, "\r\n\r\nG"], false).await, HEAD_TIME));
        assert_eq!(fails_after(&[whole], false).await, None, "a handler may take its time");
        assert_eq!(fails_after(&[whole, ""], false).await, None, "the server limits the time between two requests");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_leaves_its_place() {
        let whole = "GET / HTTP/1.1\r\n\r\n";
        for heads in [&[""][..], &[HALF], &[whole, ""], &[whole, HALF], &[whole, "\r\n"]] {
            assert!(is_about(fails_after(heads, true).await, QUIET_TIME), "{heads:?}");
        }
        assert!(is_about(fails_after(&[whole], true).await, OPEN_TIME), "an open request keeps its place for a time");
    }

    #[tokio::test(start_paused = true)]
    async fn empty_lines_are_silence() {
        let (mut client, server) = duplex(4_096);
        let places = Places::new(1);
        let mut guarded = Guarded::new(server, places.take().await);
        let dripping = async {
            loop {
                client.write_all(b"\r\n").await.unwrap();
                time::sleep(QUIET_TIME / 2).await;
            }
        };
        let (begun, mut all) = (time::Instant::now(), Vec::new());
        tokio::select! {
            _ = dripping => unreachable!(),
            _ = places.take() => unreachable!("the place is taken"),
            end = guarded.read_to_end(&mut all) => assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut),
        }
        assert!(is_about(Some(begun.elapsed()), QUIET_TIME));
    }

    #[tokio::test]
    async fn a_response_is_final_behind_those_that_ask_for_the_rest() {
        let (asks, hints) = ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        for parts in [&[asks][..], &[asks, hints], &["HTTP/1.1 10"], &[asks, "HTTP/1.1 100 Cont"]] {
            assert!(!is_final(parts.concat().as_bytes()), "{parts:?}");
        }
        for parts in [&["HTTP/1.1 200 OK\r\n"][..], &["H"], &[asks, "HTTP/1.1 404"], &[asks, hints, "HTTP/1.1 204"]] {
            assert!(is_final(parts.concat().as_bytes()), "{parts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_request_may_be_asked_for() {
        let (mut client, server) = duplex(4_096);
        let mut guarded = Guarded::new(server, Places::new(1).take().await);
        let head = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\n\r\n";
        client.write_all(head).await.unwrap();
        guarded.read_exact(&mut vec![0; head.len()]).await.unwrap();
        guarded.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        client.write_all(b"half a bod").await.unwrap();
        guarded.read_exact(&mut [0; 10]).await.unwrap();
        timeout(Duration::from_secs(3_600), guarded.read_u8()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_leaves_its_place() {
        let whole = b"GET / HTTP/1.1\r\n\r\n";
        for pipelined in [false, true] {
            let (mut client, server) = duplex(whole.len());
            let places = Places::new(1);
            let mut guarded = Guarded::new(server, places.take().await);
            if pipelined {
                client.write_all(whole).await.unwrap();
                guarded.read_exact(&mut vec![0; whole.len()]).await.unwrap();
            }
            let begun = time::Instant::now();
            tokio::select! {
                written = guarded.write_all(b"more than the client takes") => {
                    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
                }
                _ = places.take() => unreachable!("the place is taken"),
            }
            assert!(is_about(Some(begun.elapsed()), QUIET_TIME), "{pipelined}");
        }
    }
}

//! A small load generator with keep-alive connections on two threads. Each connection sends its next request after the previous response.
//!
//! A request takes one write, one wait and one read, which leaves most of the machine to the server.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::orders;
use crate::server::PATH;

const THREADS: usize = 2;

/// The timeout for the last responses.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The throughput and latency of a load.
pub(crate) struct LoadStats {
    /// Responses per second.
    pub(crate) rate: f64,
    /// Microseconds from a request to its response.
    pub(crate) micros: Histogram<u64>,
    /// The fraction of responses that were marked, or `None` without any response, as in a short time on a busy machine.
    pub(crate) marked: Option<f64>,
}

/// The requests of a load.
#[derive(Clone, Copy)]
pub(crate) struct Requests<'a> {
    /// The number of the next request.
    pub(crate) next: &'a AtomicU64,
    /// Writes the request with this number.
    pub(crate) write: &'a (dyn Fn(u64, &mut Vec<u8>) + Sync),
    /// Returns `true` if this header marks a response.
    pub(crate) marks: fn(&str) -> bool,
}

/// Sends requests over `connections` connections for `time`, after a warm-up of a quarter of it.
pub(crate) fn load(to: SocketAddr, connections: usize, requests: Requests<'_>, time: Duration) -> anyhow::Result<LoadStats> {
    let begin = Instant::now() + time / 4;
    let plan = Plan { to, requests, begin, end: begin + time };
    let mut total = Counts::new()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| plan.run(connections / THREADS))).collect();
        for thread in threads {
            let counts = thread.join().map_err(|_| anyhow::anyhow!("a thread of the load generator panicked"))??;
            total.micros.add(counts.micros)?;
            total.marked += counts.marked;
        }
        anyhow::Ok(())
    })?;
    let responses = total.micros.len() as f64;
    let marked = (responses > 0.0).then(|| total.marked as f64 / responses);
    Ok(LoadStats { rate: responses / time.as_secs_f64(), micros: total.micros, marked })
}

/// Writes a request to [`PATH`] with the event of order `id`. Appends `lines` to its headers, including their line breaks.
pub(crate) fn post(id: &str, lines: &[&str], request: &mut Vec<u8>) {
    post_to(PATH, id, lines, request);
}

/// Writes a request to `path`, as [`post`] does.
pub(crate) fn post_to(path: &str, id: &str, lines: &[&str], request: &mut Vec<u8>) {
    request.extend_from_slice(b"POST ");
    request.extend_from_slice(path.as_bytes());
    request.extend_from_slice(b" HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ");
    request.extend_from_slice(orders::LENGTH.to_string().as_bytes());
    request.extend_from_slice(b"\r\n");
    for line in lines {
        request.extend_from_slice(line.as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    orders::write_order_complete(id, request);
}

/// The responses of one thread.
struct Counts {
    micros: Histogram<u64>,
    marked: u64,
}

impl Counts {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { micros: Histogram::new(3)?, marked: 0 })
    }
}

struct Plan<'a> {
    to: SocketAddr,
    requests: Requests<'a>,
    begin: Instant,
    end: Instant,
}

impl Plan<'_> {
    fn run(&self, connections: usize) -> anyhow::Result<Counts> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(connections);
        let mut counts = Counts::new()?;
        let mut connections = (0..connections).map(|at| self.connect(&poll, Token(at))).collect::<anyhow::Result<Vec<_>>>()?;
        let mut awaited = connections.len();
        // Waits for every response, because an aborted request would cause different work for the server.
        while awaited > 0 {
            ensure!(Instant::now() < self.end + TIMEOUT, "{awaited} requests got no response");
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let connection = connections.get_mut(event.token().0).context("an event of a connection")?;
                let Some(marked) = connection.receive(self.requests.marks)? else { continue };
                let received = Instant::now();
                if connection.sent > self.begin && received < self.end {
                    counts.micros.record(u64::try_from((received - connection.sent).as_micros())?)?;
                    counts.marked += u64::from(marked);
                }
                if received < self.end {
                    connection.send(self.requests)?;
                } else {
                    awaited -= 1;
                }
            }
        }
        Ok(counts)
    }

    fn connect(&self, poll: &Poll, token: Token) -> anyhow::Result<Connection> {
        let stream = std::net::TcpStream::connect(self.to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, token, Interest::READABLE)?;
        let mut connection = Connection { stream, request: Vec::new(), response: vec![0; 4_096], read: 0, sent: Instant::now() };
        connection.send(self.requests)?;
        Ok(connection)
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    response: Vec<u8>,
    read: usize,
    sent: Instant,
}

impl Connection {
    fn send(&mut self, requests: Requests<'_>) -> anyhow::Result<()> {
        self.request.clear();
        (requests.write)(requests.next.fetch_add(1, Ordering::Relaxed), &mut self.request);
        self.sent = Instant::now();
        self.read = 0;
        // A request is far smaller than the socket's buffer, which is empty, so a single write sends all of it.
        ensure!(self.stream.write(&self.request)? == self.request.len(), "a request was written partially");
        Ok(())
    }

    /// Reads the available bytes. Returns `Some` after the last byte of the response: `true` if it is marked.
    fn receive(&mut self, marks: fn(&str) -> bool) -> anyhow::Result<Option<bool>> {
        loop {
            let read = match self.stream.read(self.response.get_mut(self.read..).context("room for the response")?) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            self.read += read;
            let so_far = self.response.get(..self.read).context("the bytes so far")?;
            if let Some((length, marked)) = parse_head(so_far, marks)?
                && length <= self.read
            {
                ensure!(so_far.starts_with(b"HTTP/1.1 200"), "the response is {}", String::from_utf8_lossy(so_far));
                return Ok(Some(marked));
            }
        }
    }
}

/// Parses the head of a response. Returns the length of the response and `true` if it is marked, or `None` if the head is incomplete.
fn parse_head(so_far: &[u8], marks: fn(&str) -> bool) -> anyhow::Result<Option<(usize, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(so_far)? else { return Ok(None) };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = head + str::from_utf8(length.context("content-length")?.value)?.parse::<usize>()?;
    Ok(Some((length, response.headers.iter().any(|header| marks(header.name)))))
}

//! A small load generator: keep-alive connections on two threads, each connection sending its next request when the last is answered.
//!
//! One write, one wait and one read for a request, so that most of the machine is left to the server.

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

/// How long a server may take for the last answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a load found.
pub(crate) struct Found {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Microseconds from the request to its answer.
    pub(crate) micros: Histogram<u64>,
    /// The part of the answers that were marked; `None` if there were none, as in a short time on a busy machine.
    pub(crate) marked: Option<f64>,
}

/// The requests of a load.
#[derive(Clone, Copy)]
pub(crate) struct Requests<'a> {
    /// The number of the next one.
    pub(crate) next: &'a AtomicU64,
    /// Writes the request of a number.
    pub(crate) write: &'a (dyn Fn(u64, &mut Vec<u8>) + Sync),
    /// Whether an answer with this header is to be counted.
    pub(crate) marks: fn(&str) -> bool,
}

/// Sends requests over `connections` connections for `time`, after a quarter of it to warm up.
pub(crate) fn load(to: SocketAddr, connections: usize, requests: Requests<'_>, time: Duration) -> anyhow::Result<Found> {
    let begin = Instant::now() + time / 4;
    let plan = Plan { to, requests, begin, end: begin + time };
    let mut tally = Tally::new()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| plan.run(connections / THREADS))).collect();
        for thread in threads {
            let found = thread.join().map_err(|_| anyhow::anyhow!("a thread of the load generator panicked"))??;
            tally.micros.add(found.micros)?;
            tally.marked += found.marked;
        }
        anyhow::Ok(())
    })?;
    let answers = tally.micros.len() as f64;
    let marked = (answers > 0.0).then(|| tally.marked as f64 / answers);
    Ok(Found { rate: answers / time.as_secs_f64(), micros: tally.micros, marked })
}

/// Writes the event of order `id` as a request with `lines` among its headers, each of which ends its line.
pub(crate) fn post(id: &str, lines: &[&str], request: &mut Vec<u8>) {
    request.extend_from_slice(b"POST ");
    request.extend_from_slice(PATH.as_bytes());
    request.extend_from_slice(b" HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ");
    request.extend_from_slice(orders::LENGTH.to_string().as_bytes());
    request.extend_from_slice(b"\r\n");
    for line in lines {
        request.extend_from_slice(line.as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    orders::write_order_complete(id, request);
}

struct Tally {
    micros: Histogram<u64>,
    marked: u64,
}

impl Tally {
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
    fn run(&self, connections: usize) -> anyhow::Result<Tally> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(connections);
        let mut tally = Tally::new()?;
        let mut connections = (0..connections).map(|at| self.connect(&poll, Token(at))).collect::<anyhow::Result<Vec<_>>>()?;
        let mut awaited = connections.len();
        // Nothing is cut off: a request that a server gives up is other work, and leaves other traces.
        while awaited > 0 {
            ensure!(Instant::now() < self.end + PATIENCE, "{awaited} requests were not answered");
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let connection = connections.get_mut(event.token().0).context("an event of a connection")?;
                let Some(marked) = connection.answered(self.requests.marks)? else { continue };
                let answered = Instant::now();
                if connection.sent > self.begin && answered < self.end {
                    tally.micros.record(u64::try_from((answered - connection.sent).as_micros())?)?;
                    tally.marked += u64::from(marked);
                }
                if answered < self.end {
                    connection.send(self.requests)?;
                } else {
                    awaited -= 1;
                }
            }
        }
        Ok(tally)
    }

    fn connect(&self, poll: &Poll, token: Token) -> anyhow::Result<Connection> {
        let stream = std::net::TcpStream::connect(self.to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, token, Interest::READABLE)?;
        let mut connection = Connection { stream, request: Vec::new(), answer: vec![0; 4_096], read: 0, sent: Instant::now() };
        connection.send(self.requests)?;
        Ok(connection)
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    read: usize,
    sent: Instant,
}

impl Connection {
    fn send(&mut self, requests: Requests<'_>) -> anyhow::Result<()> {
        self.request.clear();
        (requests.write)(requests.next.fetch_add(1, Ordering::Relaxed), &mut self.request);
        self.sent = Instant::now();
        self.read = 0;
        // A request is far smaller than a socket's buffer, which is empty: it goes as one.
        ensure!(self.stream.write(&self.request)? == self.request.len(), "a request went in parts");
        Ok(())
    }

    /// Reads what is there. Once that is all of the answer: whether it is marked.
    fn answered(&mut self, marks: fn(&str) -> bool) -> anyhow::Result<Option<bool>> {
        loop {
            let read = match self.stream.read(self.answer.get_mut(self.read..).context("room for the answer")?) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            self.read += read;
            let so_far = self.answer.get(..self.read).context("what was read")?;
            if let Some((length, marked)) = look(so_far, marks)?
                && length <= self.read
            {
                ensure!(so_far.starts_with(b"HTTP/1.1 200"), "answered with {}", String::from_utf8_lossy(so_far));
                return Ok(Some(marked));
            }
        }
    }
}

/// The length of the answer that begins so, and whether it is marked, once that can be told.
fn look(so_far: &[u8], marks: fn(&str) -> bool) -> anyhow::Result<Option<(usize, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(so_far)? else { return Ok(None) };
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = head + str::from_utf8(length.context("content-length")?.value)?.parse::<usize>()?;
    Ok(Some((length, answer.headers.iter().any(|header| marks(header.name)))))
}

//! A small load generator: keep-alive connections on two threads, each connection sending its next request when the last is answered.
//!
//! It writes a prepared request with a new id in it and waits for as many bytes as the first answer had: one write, one wait and one
//! read for a request, so that most of the machine is left to the server.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::body::{self, Ids};
use crate::server::PATH;

const THREADS: usize = 2;

/// What a load found.
pub(crate) struct Found {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Microseconds from the request to its answer.
    pub(crate) micros: Histogram<u64>,
}

/// Sends requests over `connections` connections for `time`, after a quarter of it to warm up.
pub(crate) fn load(to: SocketAddr, connections: usize, ids: Ids, time: Duration) -> anyhow::Result<Found> {
    let next_id = AtomicU64::new(1);
    let begin = Instant::now() + time / 4;
    let plan = Plan { to, ids, next_id: &next_id, begin, end: begin + time };
    let mut micros = Histogram::new(3)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| plan.run(connections / THREADS))).collect();
        for thread in threads {
            micros.add(thread.join().map_err(|_| anyhow::anyhow!("a thread of the load generator panicked"))??)?;
        }
        anyhow::Ok(())
    })?;
    Ok(Found { rate: micros.len() as f64 / time.as_secs_f64(), micros })
}

struct Plan<'a> {
    to: SocketAddr,
    ids: Ids,
    next_id: &'a AtomicU64,
    begin: Instant,
    end: Instant,
}

impl Plan<'_> {
    fn run(&self, connections: usize) -> anyhow::Result<Histogram<u64>> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(connections);
        let mut micros = Histogram::new(3)?;
        let mut connections = (0..connections).map(|at| self.connect(&poll, Token(at))).collect::<anyhow::Result<Vec<_>>>()?;
        while Instant::now() < self.end {
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let connection = connections.get_mut(event.token().0).context("an event of a connection")?;
                if connection.answered()? {
                    if connection.sent > self.begin {
                        micros.record(u64::try_from(connection.sent.elapsed().as_micros())?)?;
                    }
                    connection.send(self.id().as_bytes())?;
                }
            }
        }
        Ok(micros)
    }

    fn id(&self) -> String {
        body::id(self.ids, self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    fn connect(&self, poll: &Poll, token: Token) -> anyhow::Result<Connection> {
        let stream = std::net::TcpStream::connect(self.to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, token, Interest::READABLE)?;
        let mut connection =
            Connection { stream, request: request(), answer: vec![0; 4_096], read: 0, length: None, sent: Instant::now() };
        connection.send(self.id().as_bytes())?;
        Ok(connection)
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    read: usize,
    /// Of an answer; all have the same.
    length: Option<usize>,
    sent: Instant,
}

impl Connection {
    fn send(&mut self, id: &[u8]) -> anyhow::Result<()> {
        let id_at = self.request.len() - body::LENGTH + body::ID_AT;
        self.request.get_mut(id_at..id_at + id.len()).context("room for the id")?.copy_from_slice(id);
        self.sent = Instant::now();
        self.read = 0;
        // A request is far smaller than a socket's buffer, which is empty: it goes as one.
        ensure!(self.stream.write(&self.request)? == self.request.len(), "a request went in parts");
        Ok(())
    }

    /// Reads what is there, and tells whether that completes the answer.
    fn answered(&mut self) -> anyhow::Result<bool> {
        loop {
            let read = match self.stream.read(self.answer.get_mut(self.read..).context("room for the answer")?) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            self.read += read;
            let so_far = self.answer.get(..self.read).context("what was read")?;
            if self.length.is_none() {
                self.length = length(so_far)?;
            }
            if self.length.is_some_and(|length| length <= self.read) {
                ensure!(so_far.starts_with(b"HTTP/1.1 200"), "answered with {}", String::from_utf8_lossy(so_far));
                return Ok(true);
            }
        }
    }
}

fn request() -> Vec<u8> {
    let body = body::order_complete(&body::id(Ids::Ordered, 0));
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// The length of the answer that begins so, once that can be told.
fn length(so_far: &[u8]) -> anyhow::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(so_far)? else { return Ok(None) };
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    Ok(Some(head + str::from_utf8(length.context("content-length")?.value)?.parse::<usize>()?))
}

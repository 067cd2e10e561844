//! A network between the inbox and the server, which can be interrupted without a notice to either side.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Network {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

#[derive(Clone, Copy, PartialEq)]
struct Line {
    passes: bool,
    /// The number of times that all connections were cut.
    forgotten: u32,
}

impl Network {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, told) = watch::channel(Line { passes: true, forgotten: 0 });
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, server, told.clone()));
            }
        });
        Self { address, line }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds all bytes until [`mend`](Self::mend), as a cable that is unplugged for a moment.
    pub(crate) fn hold(&self) {
        self.line.send_modify(|line| line.passes = false);
    }

    /// Silences all connections for ever, as a firewall that forgot them; new ones wait for
    /// [`mend`](Self::mend).
    pub(crate) fn cut(&self) {
        self.line.send_modify(|line| *line = Line { passes: false, forgotten: line.forgotten + 1 });
    }

    pub(crate) fn mend(&self) {
        self.line.send_modify(|line| line.passes = true);
    }
}

async fn connect(near: TcpStream, server: SocketAddr, mut line: watch::Receiver<Line>) {
    if line.wait_for(|line| line.passes).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(server).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::join!(pass(from_near, to_far, line.clone()), pass(from_far, to_near, line));
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut line: watch::Receiver<Line>) {
    let forgotten = line.borrow().forgotten;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read.unwrap_or(0),
            _ = line.wait_for(|line| line.forgotten != forgotten) => break,
        };
        if read == 0 {
            return;
        }
        match line.wait_for(|line| line.passes || line.forgotten != forgotten).await.map(|line| *line) {
            Ok(now) if now.forgotten == forgotten => {}
            _ => break,
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    // The sockets stay open, until the inbox closes its end.
    while from.read(&mut bytes).await.unwrap_or(0) > 0 {}
}

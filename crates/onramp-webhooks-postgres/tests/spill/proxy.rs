//! A network that can be cut: bytes stop, and no connection is told.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    address: SocketAddr,
    passes: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (passes, passing) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server, passing.clone()));
            }
        });
        Self { address, passes }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cut(&self) {
        self.passes.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.passes.send_replace(true);
    }
}

async fn connect(client: TcpStream, server: SocketAddr, mut passing: watch::Receiver<bool>) {
    if passing.wait_for(|passes| *passes).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((client_reads, client_writes), (server_reads, server_writes)) = (client.into_split(), server.into_split());
    tokio::join!(pass(client_reads, server_writes, passing.clone()), pass(server_reads, client_writes, passing));
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passing: watch::Receiver<bool>) {
    let mut bytes = [0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if passing.wait_for(|passes| *passes).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

//! Headers of the PROXY protocol at the beginning of connections.

use std::io;
use std::net::SocketAddr;

use onramp_webhooks::adapter::LogLimit;
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::{ProxyHeader, ProxySource};
use onramp_webhooks::clock::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::HEAD_TIME;

/// The proxies that send headers.
pub(crate) struct Proxies {
    declared: AllowList,
    refusals: LogLimit,
}

impl Proxies {
    pub(crate) fn new(declared: AllowList) -> Self {
        Self { declared, refusals: LogLimit::default() }
    }

    /// Returns the client of a connection: the peer of the socket, or the one in the header of a declared proxy. `None` means that the proxy
    /// does not know the client.
    pub(crate) async fn client(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        peer: SocketAddr,
    ) -> Result<Option<SocketAddr>, Refused> {
        if !self.declared.contains(peer.ip()) {
            return Ok(Some(peer));
        }
        read(stream).await.map(|source| source.peer(peer)).map_err(|error| {
            // A load balancer that checks whether the port is open sends nothing.
            if error.kind() != io::ErrorKind::UnexpectedEof
                && let Some(refusals) = self.refusals.count(Timestamp::now())
            {
                tracing::warn!(proxy = %peer.ip(), refusals, why = %error, "closed a connection of a proxy");
            }
            Refused
        })
    }
}

/// A connection that has to be closed. The reason is logged.
#[derive(Debug)]
pub(crate) struct Refused;

/// Reads the header, and no byte after it. The header has as much time as the head of a request.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<ProxySource> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the PROXY header did not arrive in time");
    timeout(HEAD_TIME, read_all(stream)).await.map_err(late)?
}

async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<ProxySource> {
    let mut header = Vec::new();
    loop {
        let missing = match ProxyHeader::read(&header).map_err(io::Error::other)? {
            ProxyHeader::Complete(source) => return Ok(source),
            ProxyHeader::Incomplete { missing } => missing,
        };
        if stream.take(missing as u64).read_buf(&mut header).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    const HEADER: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n";

    #[tokio::test]
    async fn only_a_declared_proxy_names_its_client() {
        let proxies = Proxies::new("10.0.0.0/8".parse().unwrap());
        for (peer, client) in [
            ("10.0.0.1:80", "203.0.113.7:51234"),
            ("[::ffff:10.0.0.1]:80", "203.0.113.7:51234"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            let (mut sender, mut server) = duplex(4_096);
            sender.write_all(HEADER).await.unwrap();
            let found = proxies.client(&mut server, peer.parse().unwrap()).await.unwrap();
            assert_eq!(found, Some(client.parse().unwrap()), "{peer}");
        }
        let (mut sender, mut server) = duplex(4_096);
        sender.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
        assert_eq!(proxies.client(&mut server, "10.0.0.1:80".parse().unwrap()).await.unwrap(), None);
        sender.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        proxies.client(&mut server, "10.0.0.1:80".parse().unwrap()).await.unwrap_err();
    }

    #[tokio::test]
    async fn the_request_after_the_header_is_left() {
        let (mut client, mut server) = duplex(4_096);
        client.write_all(HEADER).await.unwrap();
        client.write_all(b"GET /").await.unwrap();
        assert_eq!(read(&mut server).await.unwrap(), ProxySource::Client("203.0.113.7:51234".parse().unwrap()));
        let mut rest = [0; 5];
        server.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"GET /");
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_or_end_is_not_waited_for() {
        for begun in [&b""[..], b"PROXY TCP4 203.0", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"] {
            let (mut client, mut server) = duplex(4_096);
            client.write_all(begun).await.unwrap();
            let begins = Instant::now();
            assert_eq!(read(&mut server).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(begins.elapsed() < HEAD_TIME + Duration::from_millis(10));
        }
    }

    /// A byte each second would keep a connection without a limit for the whole header.
    #[tokio::test(start_paused = true)]
    async fn a_header_that_trickles_in_is_not_waited_for() {
        let (mut client, mut server) = duplex(4_096);
        tokio::spawn(async move {
            for byte in HEADER {
                if client.write_all(&[*byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_secs(1)).await;
            }
        });
        assert_eq!(read(&mut server).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_ends_or_begins_with_other_bytes_is_an_error() {
        let (client, mut server) = duplex(4_096);
        drop(client);
        assert_eq!(read(&mut server).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (mut client, mut server) = duplex(4_096);
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        assert!(read(&mut server).await.unwrap_err().to_string().contains("does not begin with a PROXY header"));
    }
}

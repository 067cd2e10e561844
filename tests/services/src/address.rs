//! The address of a server in a URL.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// The limit for each step of a probe.
const SOON: Duration = Duration::from_secs(3);

/// A connection.
pub(crate) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// The address of a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(String),
    Unix(PathBuf),
}

impl Address {
    pub(crate) fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(address) => {
                let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
                for address in address.to_socket_addrs()? {
                    result = TcpStream::connect_timeout(&address, SOON);
                    if result.is_ok() {
                        break;
                    }
                }
                let stream = result?;
                stream.set_read_timeout(Some(SOON))?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SOON))?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// The parts of `scheme://user:password@host:port/path?query` that probes use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
}

impl<'a> Url<'a> {
    pub(crate) fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, password)) => (Some(user), Some(password)),
            None => (None, None),
        };
        let [user, password] = [user, password].map(|part| part.filter(|part| !part.is_empty()));
        let number = host.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = number.map_or((host, None), |(host, port)| (host, Some(port)));
        Some(Self { scheme, user, password, host, port, path, query })
    }

    /// Returns the TCP address.
    pub(crate) fn tcp(&self, usual: u16) -> Address {
        let host = if self.host.is_empty() { "127.0.0.1" } else { self.host };
        Address::Tcp(format!("{host}:{}", self.port.unwrap_or(usual)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_server_is() {
        for (url, address, user) in [
            ("postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable", "127.0.0.1:5432", Some("postgres")),
            ("postgresql://shop:p%40ss@db.example/shop?sslmode=require", "db.example:7", Some("shop")),
            ("postgres://[::1]:5433/x", "[::1]:5433", None),
            ("redis://[::1]/x", "[::1]:7", None),
            ("redis://:secret@cache:1/2", "cache:1", None),
            ("postgres:///x", "127.0.0.1:7", None),
        ] {
            let parsed = Url::parse(url).unwrap();
            assert_eq!((parsed.tcp(7), parsed.user), (Address::Tcp(address.into()), user), "{url}");
        }
        assert_eq!(Url::parse("redis://:secret@cache:1/2").and_then(|url| url.password), Some("secret"));
        assert_eq!(Url::parse("shop.db"), None);
    }
}
